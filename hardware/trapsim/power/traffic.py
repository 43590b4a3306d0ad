"""The radio's day: seconds of sending and listening, and what it costs to listen for the partner asleep."""

from dataclasses import dataclass

from trapsim.power.figures import Figures
from trapwire.airtime import airtime_us, largest_frame, symbol_us
from trapwire.wake import SF as WAKE_SF
from trapwire.wake import WAKE_BYTES

SF = 9
PLAN = "eu868"


@dataclass(frozen=True, kw_only=True)
class Listening:
    """The chip's own receive duty cycle: its windows, the average in A, and how long a wake frame is on the air."""

    preamble_symbols: int
    receive_s: float
    sleep_s: float
    average_a: float
    wake_s: float


def listening(figures: Figures, preamble_symbols: int | None = None, *, gated: bool = False) -> Listening:
    """What it takes to find a preamble of so many symbols at SF7, whenever it begins.

    The period between windows is the preamble less the symbols of one window (Semtech AN1200.36). `gated`: the RF
    switch is driven by the chip itself (DIO2) and costs nothing between windows; on the Wio-SX1262 a pin of the MCU
    holds it on.
    """
    symbols = int(figures.get("radio.preamble_symbols")) if preamble_symbols is None else preamble_symbols
    symbol_s = symbol_us(WAKE_SF) / 1e6
    window = figures.get("radio.window_symbols")
    receive_s, oscillator_s = window * symbol_s, figures.get("radio.oscillator_s")
    period_s = (symbols - window) * symbol_s
    charge_c = receive_s * figures.get("radio.receive") + oscillator_s * figures.get("radio.oscillator_ma")
    share_on = (receive_s + oscillator_s) / period_s if gated else 1.0
    return Listening(
        preamble_symbols=symbols,
        receive_s=receive_s,
        sleep_s=period_s - receive_s - oscillator_s,
        average_a=charge_c / period_s + figures.get("radio.rf_switch") * share_on,
        wake_s=airtime_us(WAKE_BYTES, WAKE_SF, preamble=symbols) / 1e6,
    )


def air_s(size: int) -> float:
    """Seconds on the air of an object of `size` bytes in the largest frames at SF9, without loss or answers."""
    largest = largest_frame(PLAN, SF)
    whole, rest = divmod(size, largest)
    return (whole * airtime_us(largest, SF) + (airtime_us(rest, SF) if rest else 0)) / 1e6


def sighting_air_s(figures: Figures) -> float:
    """An alert and a crop, the base's answers as the link's efficiency has them."""
    objects = air_s(int(figures.get("radio.alert_bytes"))) + air_s(int(figures.get("radio.crop_bytes")))
    return objects / figures.get("radio.efficiency")


def heartbeat_air_s(figures: Figures) -> float:
    """One heartbeat on the air."""
    return air_s(int(figures.get("radio.alert_bytes")))
