"""Words, replies and quick frames by the second implementation (`stranger_words.py`); the frozen ones are in
`test_stranger.py`."""

from tests.kit import stranger as s
from tests.kit import stranger_words as w
from tests.kit.test_stranger import LINK, SAID, TRAP, refused


def there_and_back(kind: int, row: dict, down: bool) -> dict:
    frame = s.Frame(3, down, not down, kind, TRAP, 9, s.express(kind, row))
    data = s.seal(frame, LINK)
    again = s.open_frame(data, LINK)
    assert again == frame
    understood = s.understand(again)
    assert s.seal(s.Frame(3, down, not down, kind, TRAP, 9, s.express(kind, understood)), LINK) == data
    return understood


def test_items_in_any_order_and_none() -> None:
    for items in (SAID, SAID[::-1], SAID[2:3], []):
        assert there_and_back(s.WORD, {"items": items}, True) == {"items": items}
    assert len(w.write_items(SAID)) + 15 == 52


def test_what_a_receiver_skips_and_the_others_hold() -> None:
    margin = bytes.fromhex("0201f9")
    for item in (
        "0000",  # types that are none
        "ff0101",
        "0100",  # lengths that are others
        "0202f900",
        "0309c0ffee0100032c0200",
        "04069c4103000000",
        "01062b4585f2fbff",  # a time of unknown uncertainty
        "0308c0ffee0100032c0c",  # rungs that are none
        "0308c0ffee0100032cff",
    ):
        data = margin + bytes.fromhex(item) + margin
        items = w.read_items(data)
        assert [name for name, *_ in items] == ["margin", None, "margin"], item
        assert w.write_items(items) == data


def test_an_item_that_ends_behind_the_payload_drops_the_word() -> None:
    data = w.write_items(SAID)
    ends = {0, *(len(w.write_items(SAID[:count])) for count in range(1, len(SAID) + 1))}
    for size in range(len(data) + 1):
        assert refused(w.read_items, data[:size]) == (size not in ends)


def test_replies_and_quick_frames() -> None:
    for outcome in range(256):
        row = {"command": 40001, "outcome": outcome, "value": 9}
        frame = s.Frame(3, False, True, s.REPLY, TRAP, 9, s.express(s.REPLY, row))
        assert refused(s.understand, frame) == (outcome > 4)
    assert there_and_back(s.QUICK, {"sf": 7, "pieces": 300}, False) == {"sf": 7, "pieces": 300}
    assert there_and_back(s.QUICK, {"sf": 8, "ms": 4990}, True) == {"sf": 8, "ms": 4990}
