"""A trap that its base does not hear, for want of a key or under another: said in words, until it is put right."""

from collections.abc import Callable

from tests.base.running import LINK_KEY, Site, objects
from tests.support import wait_for
from trapkit.aes import AesCcm
from trapwire.frame import ChecksumCipher, Frame, encode_frame
from trapwire.linkkeys import UP, LinkKey


def said(site: Site, words: str) -> Callable[[], bool]:
    return lambda: words in (site.modem.step(), site.log)[1]


def test_a_trap_under_another_key_is_pointed_out_until_it_has_the_right_one(site: Site) -> None:
    site.modem.key = LinkKey(b"another link key", 1, UP, AesCcm)
    site.modem.waiting = objects(1)
    site.base("--only", "gateway,ingest")
    key = site.folder / "link" / "1.key"
    wait_for(said(site, f"gateway: trap 1 speaks under another link key than {key}, or somebody speaks in its name"))
    assert len(site.modem.waiting) == 2
    site.modem.key = LinkKey(LINK_KEY, 1, UP, AesCcm)
    wait_for(site.modem.step, 40)
    wait_for(said(site, "gateway: all is well again"))


def test_a_trap_whose_key_is_not_here_is_pointed_out_and_heard_when_it_is(site: Site) -> None:
    key = site.folder / "link" / "1.key"
    key.unlink()
    site.modem.waiting = objects(1)
    site.base("--only", "gateway,ingest")
    wait_for(said(site, f"gateway: trap 1 has no link key here: there is no {key}"))
    key.write_text(LINK_KEY.hex())
    wait_for(site.modem.step, 40)


def test_a_trap_of_version_1_and_one_with_old_counters_are_pointed_out(site: Site) -> None:
    site.base("--only", "gateway,ingest")
    wait_for(lambda: "gateway: running" in site.log)
    modem = site.modem
    modem.key.seal = lambda kind, flag, counter, payload: encode_frame(  # type: ignore[method-assign]
        Frame(kind, False, flag, 1, counter, payload, 1), ChecksumCipher()
    )
    wait_for(said(site, "gateway: trap 1 speaks another version of the radio protocol; give it this version's firm"))
    modem.key = LinkKey(LINK_KEY, 1, UP, AesCcm)
    high = modem._counter + 1000
    seal = modem.key.seal
    modem.key.seal = lambda kind, flag, counter, payload: seal(kind, flag, high, payload)  # type: ignore[method-assign]
    wait_for(said(site, "gateway: trap 1 is heard with old frame counters: its flash is new and its key is not"))
    assert f"trapship keys {site.folder} --renew 1" in site.log
