"""The numbers of section 10, computed again from the document's own table."""

import re
from pathlib import Path

from tests.kit import stranger as s

PAGE = (Path(__file__).parents[2] / "device" / "trapwire" / "PROTOCOL.md").read_text()
SECTION = PAGE[PAGE.index("## 10.") : PAGE.index("## 11.")]
TABLE = [[cell.strip() for cell in line.strip("|").split("|")] for line in SECTION.splitlines() if line.startswith("|")]
PLANS = {row[0]: dict(zip(TABLE[0], row, strict=True)) for row in TABLE[2:]}
HOUR_MS, BUCKET_S, BUCKETS, ALERT = 3_600_000, 75, 50, 36


def percent(plan: str) -> float | None:
    cell = PLANS[plan]["duty in any hour"]
    return None if cell == "–" else float(cell.removesuffix("%"))


def alert_ms(sf: int, size: int = ALERT) -> int:
    return -(-s.airtime_us(size, sf) // 1000)


def test_the_plans_and_their_longest_transmissions() -> None:
    said = {"–": None, "1 s": 1000, "400 ms": 400}
    assert {plan: said[row["longest transmission"]] for plan, row in PLANS.items()} == s.LONGEST_MS


def test_the_largest_spreading_factors() -> None:
    for plan, row in PLANS.items():
        largest, fits = re.fullmatch(r"(\d+)(?: \(an alert fits to (\d+)\))?", row["largest SF"]).groups()
        wanted = max(sf for sf in range(7, int(largest) + 1) if s.largest_frame(plan, sf) >= ALERT)
        assert wanted == int(fits or largest), plan


def test_alerts_an_hour_in_the_reserve() -> None:
    duties = {percent(plan) for plan in PLANS} - {None}
    assert duties == {1.0}
    assert {plan for plan in PLANS if percent(plan) is None} == {"CN470", "KR920"}
    share = HOUR_MS * duties.pop() / 100
    assert (share, share / 10) == (36_000, 3_600)
    assert "36 s of 1 %" in SECTION
    assert "3.6 s of each hour are free for alerts" in SECTION
    line = SECTION[SECTION.index("free for alerts:") :].split("\n")[0]
    told = {int(sf): 1 if number == "one" else int(number) for number, sf in re.findall(r"(\w+) at SF(\d+)", line)}
    assert told == {sf: int(share / 10) // alert_ms(sf) for sf in (7, 9, 11, 12)}


def test_the_buckets_and_the_longest_silences() -> None:
    assert BUCKETS * BUCKET_S == 62.5 * 60  # a clock that stays back
    assert HOUR_MS // 1000 + BUCKET_S == 61 * 60 + 15  # an hour used up, given back a bucket late
    assert HOUR_MS / 100 / 2000 == 18  # 36 s in steps of 2 s


def test_what_a_duty_leaves_to_calls() -> None:
    call = -(-s.airtime_us(24, 7, preamble=320) // 1000)
    assert int(HOUR_MS * 0.01) // call == 94
    assert int(HOUR_MS * 0.009) // call == 84  # where the plan has a duty, the governor's nine tenths come first
