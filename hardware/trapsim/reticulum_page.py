"""RETICULUM.md: our link's figures beside Reticulum's, from the rows of reticulum.json; runs only our own link."""

from collections.abc import Callable, Sequence
from statistics import median_high, median_low
from typing import Any

from trapsim.linkpage import table
from trapsim.linkrun import Case, bound_us, compare

PLAN = "eu868"
OUR_RUNS = 50  # as in LINK.md, so that both pages say the same
OUR_FIGURES = ("size", "loss", "delivered", "bytes_on_air", "frames", "airtime_ms", "efficiency", "seconds")
SIZES = (1500, 5120, 8192)
LOSSES = (0.0, 0.1, 0.3)
EACH = {"frame": "each LoRa frame by itself", "packet": "each packet by itself"}
ISSUE_TRANSFER_BYTES, ISSUE_SETUP_BYTES = 6182, 296  # of 5,120 bytes, as the link's issue has them
PAYLOAD = "packet_bytes"
Row = dict[str, Any]


def ours(sf: int, say: Callable[[str], None], runs: int = OUR_RUNS) -> dict[str, Any]:
    """Our link on the same sizes and losses, medians."""
    cells = []
    for size in SIZES:
        say(f"our link, {size} bytes, {runs} runs a channel…")
        for loss in LOSSES:
            found = compare(Case(size=size, plan=PLAN, sf=sf, loss=loss, burst="none"), range(1, runs + 1))
            cells.append({name: found[name] for name in OUR_FIGURES} | {"worst": found.get("worst", {})})
    return {"runs": runs, "cells": cells}


def both_ways(row: Row, part: str, name: str) -> int:
    """A count of a run, up and down together; `part`: `setup` or `transfer`."""
    return int(row[part]["up"][name] + row[part]["down"][name])


def page(figures: dict[str, Any]) -> str:
    """The whole page as Markdown."""
    rows: list[Row] = figures["runs"]
    sf = figures["sf"]
    clean = [r for r in rows if r["paced"] and not r["loss"]]
    made = figures["ours"]
    lines = [
        "# Reticulum beside our link",
        f"rns {figures['rns']}, measured at commit {figures['commit']} by `trapsim reticulum --write`. Our link:",
        f"medians of {made['runs']} seeds, at commit {made['commit']}; `trapsim reticulum --ours-only --write`",
        "measures ours again and keeps Reticulum's figures. `reticulum.json` has every run.",
        "",
        "## No loss",
        *table(
            ["object", "by", "bytes up + down", "packets", "LoRa frames", f"airtime SF{sf}, s", "efficiency", "s"],
            [line for size in SIZES for line in _clean(size, clean, made["cells"], sf)],
        ),
        "",
        *_setup(rows),
        "",
        "## With loss",
        *table(
            ["object", "loss", "by", "delivered", "bytes both ways", f"airtime SF{sf}, s", "efficiency", "s"],
            [line for size in SIZES for loss in LOSSES[1:] for line in _lossy(size, loss, figures)],
        ),
        "",
        "Reticulum's figures: the median of the runs that delivered (of two, the worse), and their least and most.",
        "The runs are few: they show an order of magnitude.",
        "",
        *how(sf, figures["limit_s"]),
    ]
    return "\n".join(lines) + "\n"


def _clean(size: int, rows: Sequence[Row], cells: Sequence[Row], sf: int) -> list[list[str]]:
    theirs = [r for r in rows if r["size"] == size]
    mine = next(c for c in cells if (c["size"], c["loss"]) == (size, 0))
    up, down = (theirs[0]["transfer"][way]["packet_bytes"] for way in ("up", "down"))
    return [
        [
            f"{size:,} B",
            "Reticulum",
            f"{up:,} + {down:,} = {up + down:,}",
            _range([both_ways(r, "transfer", "packets") for r in theirs]),
            _range([both_ways(r, "transfer", "lora_frames") for r in theirs]),
            _airtime(theirs),
            _efficiency(size, sf, theirs),
            _range([round(r["seconds"]) for r in theirs]),
        ],
        ["", "ours", f"{mine['bytes_on_air']:,}", "–", f"{mine['frames']}", *_mine(mine)],
    ]


def _lossy(size: int, loss: float, figures: dict[str, Any]) -> list[list[str]]:
    lines = []
    for each, words in EACH.items():
        runs = [r for r in figures["runs"] if (r["size"], r["loss"], r["each"], r["paced"]) == (size, loss, each, True)]
        arrived = [r for r in runs if r["delivered"]]
        spent = [_range([both_ways(r, "transfer", "packet_bytes") for r in arrived], median_high), _airtime(arrived)]
        share = [_efficiency(size, figures["sf"], arrived), _range([round(r["seconds"]) for r in arrived], median_high)]
        share_of = f"{len(arrived)} of {len(runs)}"
        lines.append([f"{size:,} B", f"{loss:g}, {words}", "Reticulum", share_of, *spent, *share])
    mine = next(c for c in figures["ours"]["cells"] if (c["size"], c["loss"]) == (size, loss))
    runs_made = figures["ours"]["runs"]
    delivered = f"{runs_made} of {runs_made}" if mine["delivered"] else f"not all {runs_made}"
    channel = f"{loss:g}, {EACH['frame']}"
    lines.append(["", channel, "ours", delivered, f"{mine['bytes_on_air']:,}", *_mine(mine)])
    return lines


def _mine(cell: Row) -> list[str]:
    return [f"{cell['airtime_ms'] / 1000:.1f}", f"{cell['efficiency']:.3f}", f"{cell['seconds']:.0f}"]


def _setup(rows: Sequence[Row]) -> list[str]:
    paced = [r for r in rows if r["paced"] and not r["loss"]]
    bare = [r for r in rows if not r["paced"]]
    five = [r for r in (*paced, *bare) if r["size"] == 5120]

    def of(found: Sequence[Row], part: str, name: str) -> str:
        return _range([both_ways(r, part, name) for r in found])

    unpaced = "; ".join(
        f"{size:,} B: {of([r for r in bare if r['size'] == size], 'transfer', PAYLOAD)}" for size in SIZES
    )
    return [
        f"Before that Reticulum sets up its link: {of(rows, 'setup', PAYLOAD)} bytes in {of(rows, 'setup', 'packets')} "
        f"packets, {_airtime(rows, 'setup')} s of",
        "airtime, not in these tables. Ours has its keys beforehand, and nothing to set up.",
        "",
        f"The link's issue has {ISSUE_TRANSFER_BYTES:,} bytes for the object of 5,120, and {ISSUE_SETUP_BYTES} for the "
        "set-up. That fits a count",
        f"with the serial line's framing, which no radio sends: with it, {of(five, 'transfer', 'line_bytes')} and "
        f"{of(five, 'setup', 'line_bytes')}",
        "(which bytes need escaping is chance).",
        "",
        f"On a line without pace Reticulum sends as much: {unpaced}.",
    ]


def _airtime(rows: Sequence[Row], part: str = "transfer") -> str:
    return _range([round(both_ways(r, part, "airtime_us") / 1e6, 1) for r in rows], median_high)


def _efficiency(size: int, sf: int, rows: Sequence[Row]) -> str:
    bound = bound_us(size, PLAN, sf)
    return _range([round(bound / both_ways(r, "transfer", "airtime_us"), 3) for r in rows], median_low)


def _range(values: Sequence[float], median: Callable[[Sequence[float]], float] | None = None) -> str:
    """The one value that all have; otherwise from least to most, with the median before it if asked for."""
    if not values:
        return "–"
    low, high = min(values), max(values)
    spread = f"{low:,}" if low == high else f"{low:,}–{high:,}"
    return f"{median(values):,} ({spread})" if median is not None and low != high else spread


def how(sf: int, limit_s: int) -> list[str]:
    """What was run and counted, and what is doubtful about it."""
    return [
        "## How",
        "Two processes with a real Reticulum each and no interface but a `SerialInterface` over a pty; between the two",
        "ptys `reticulum_line.py`. An encrypted `Link` to a destination whose key the sender has (no announce, no path",
        "request), then one `Resource` of random bytes, MTU 500 as it comes. *Delivered*: the sender has Reticulum's",
        f"proof and the receiver the same bytes, within {limit_s} s; nobody begins again for it.",
        "",
        "- *bytes*: of packets, the serial framing taken off, lost ones included; until the proof is in.",
        "- *LoRa frames* and *airtime*: as an RNode would send them, though none was used. A LoRa frame holds 255",
        "  bytes; the RNode puts a byte before each, and sends what is longer than 254 bytes in two (RNode_Firmware,",
        "  `Config.h`: MTU 508, SINGLE_MTU 255, HEADER_L 1; `transmit()`). That byte is in the airtime, not in",
        "  *bytes*.",
        f"- *airtime* by `trapwire.airtime` at SF{sf}, 125 kHz, 4/5, 8 preamble symbols for both. The RNode's firmware",
        "  sends 18 at least, which at SF9 is 41 ms a frame more, and is left out.",
        "- *efficiency*: the bound of LINK.md over the airtime of the transfer, set-up left out.",
        f"- The line is paced: a packet arrives after its airtime at SF{sf}, in real time, one at a time in either",
        "  direction. No collision, no turnaround, no contention window: a channel kinder than an RNode's.",
        "- *Loss* begins after the set-up, as ours does after the first heartbeat; both directions, by fixed seeds.",
        "  *Each LoRa frame by itself* is what our own link meets: a packet in two frames is lost when either is.",
        "  *Each packet by itself* gives Reticulum's long packets the same odds as short ones, which no radio does.",
        "- *s* is wall time on a busy machine for Reticulum and virtual time for ours: Reticulum reads its serial port",
        "  every 80 ms, and its timers follow what it measures. Under loss its figures do not come out the same twice,",
        "  and on a starved machine it repeats: one run of 8,192 bytes without pace, not kept, cost 14,175.",
        "- Ours carries an acknowledgement *after the base's commit*, and its tags are 4 or 8 bytes, with a counter;",
        "  Reticulum's link has forward secrecy, 32-byte proofs and MACs, and needs no key on either side beforehand",
        "  but one public key. They do not promise the same.",
        "",
        "rns is installed by name into `.venv-rns` and run as a peer; nothing of it is in this repository, and neither",
        "the product nor a test needs it. Its “Reticulum License”, at the head of its files, is MIT's text with two",
        "restrictions of use, which open-source licences do not have: not in a system that can purposely harm people,",
        "and not, directly or indirectly, in making a data set to train AI or language models. What is here are",
        "measurements; they train nothing.",
    ]
