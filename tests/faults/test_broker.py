"""The broker away for a minute: what the traps send meanwhile stays with them, and arrives."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.base.running import Site, objects
from tests.faults.night import Night
from tests.support import Broker, wait_for
from trapbase.cli import main


def test_a_broker_that_is_down_for_a_minute_costs_nothing(tmp_path: Path) -> None:
    night = Night(tmp_path / "night")
    down: list[int] = []

    def step(own: Callable[[int], Any], now: int) -> Any:
        if night.in_fault and not down:
            down.append(now)
            night.world.broker.stop()
        elif down and not night.in_fault and len(down) == 1:
            down.append(now)
            night.world.broker.start()
        return own(now)

    night.wrap("modem", step)
    during = night.run()
    assert not during.finished
    assert len(down) == 2


def test_a_broker_that_is_killed_and_started_again(site: Site, broker: Broker) -> None:
    """Real programs and a real broker: what the traps send meanwhile stays with them, and arrives."""
    site.base()
    wait_for(lambda: site.log.count("running") == 4)
    broker.kill()
    site.modem.waiting = objects(2)

    def said(words: str) -> Callable[[], bool]:
        return lambda: words in (site.modem.step(), site.log)[1]

    wait_for(said("is the broker running there?"))
    assert len(site.modem.waiting) == 4
    broker.start()
    wait_for(site.modem.step, 60)
    assert main(["verify", "--config", str(site.config)]) == 0
