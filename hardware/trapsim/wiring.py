"""WireViz's files out of the pin map and wiring.toml, and the pictures out of those files where `dot` is installed."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from trapkit.errors import SetupError
from trapsim.pinmap import Board, Drawing, PinMap, Wiring

# WireViz's own codes of the colours that wires have here; a wire without one has the signals' colours in turn.
COLOURS = ("BK", "RD", "OG", "YE", "GN", "BU", "WH", "GY", "VT", "BN", "PK")
SIGNAL_COLOURS = ("YE", "GN", "BU", "VT", "OG", "WH", "BN", "GY", "PK")
MEANING = {"RD": "plus", "OG": "plus", "BK": "ground"}  # of wires that are no signals
HEAD = "# Made by `trapsim pins --write` from hardware/pins.toml and hardware/wiring.toml: change those.\n"
DRAWN_WITHIN_S = 120
RANK_GAP_IN = 0.5
CROWDED = 60  # wire ends in a drawing
PNG_COLOURS = 64
PNG_DPI = 80  # one is enough to read on a screen; the SVG is for print
Wire = tuple[str, str, str, str]  # from, to, colour, name


def sheet(drawing: Drawing, pin_map: PinMap) -> str:
    """One drawing as WireViz reads it (YAML)."""
    board = pin_map.boards[drawing.board] if drawing.board else None
    wires = _signal_wires(drawing, board) if board else []
    wires += [(a, b, colour, MEANING.get(colour, "line")) for a, b, colour in drawing.wires.list]
    pins = {name: list(part.pins) for name, part in drawing.parts.items()}
    labels: dict[str, str] = {}
    if board:
        for signal in sorted(board.signals.values(), key=lambda s: _by_place(board.places[s.pin])):
            place = f"GPIO{signal.pin}"
            pins[board.part].append(place)
            where = board.places[signal.pin]
            labels[place] = f"pin {where}" if where.isdigit() else where
        if "EXPANDER" in drawing.parts:
            pins["EXPANDER"] += [f"P{bit.bit}" for bit in board.expander.values()]
    used = {end for a, b, *_ in wires for end in (a, b)}
    pins = {name: [pin for pin in own if f"{name}.{pin}" in used] for name, own in pins.items()}
    lines = [HEAD.rstrip(), "options: {mini_bom_mode: false}", f"metadata: {{title: {json.dumps(drawing.title)}}}"]
    lines.append("connectors:")
    for name, part in drawing.parts.items():
        lines += [f"  {name}:", f"    type: {_quoted(part.text)}", f"    pins: {_quoted(pins[name])}"]
        if board and name == board.part:
            lines.append(f"    pinlabels: {_quoted([labels.get(pin, '') for pin in pins[name]])}")
        lines.append("    show_pincount: false")
    bundles: dict[tuple[str, str], list[Wire]] = {}
    for wire in wires:
        bundles.setdefault((wire[0].split(".")[0], wire[1].split(".")[0]), []).append(wire)
    for bundle in bundles.values():  # in the order of the pins at their end, so that wires do not cross
        bundle.sort(key=lambda wire: _position(pins, wire[1]))
    lines.append("cables:")
    for i, bundle in enumerate(bundles.values(), 1):
        lines += [f"  W{i}:", "    category: bundle", f"    colors: [{', '.join(w[2] for w in bundle)}]"]
        lines += [f"    wirelabels: {_quoted([w[3] for w in bundle])}"]
        lines += ["    show_name: false", "    show_wirecount: false", "    show_wirenumbers: false"]
    lines.append("connections:")
    for i, ((start, end), bundle) in enumerate(bundles.items(), 1):
        left, right = ([w[side].partition(".")[2] for w in bundle] for side in (0, 1))
        lines += [f"  - - {start}: {_quoted(left)}", f"    - W{i}: [1-{len(bundle)}]", f"    - {end}: {_quoted(right)}"]
    return "\n".join(lines) + "\n"


def _signal_wires(drawing: Drawing, board: Board) -> list[Wire]:
    found: list[Wire] = []
    ends = [(f"{board.part}.GPIO{s.pin}", name, s.to) for name, s in board.signals.items()]
    if "EXPANDER" in drawing.parts:
        ends += [(f"EXPANDER.P{b.bit}", name, b.to) for name, b in board.expander.items()]
    for start, name, targets in ends:
        colour = SIGNAL_COLOURS[len(found) % len(SIGNAL_COLOURS)]
        found += [(start, end, colour, name) for end in targets if end.split(".")[0] in drawing.parts]
    return found


def _by_place(place: str) -> tuple[str, int]:
    """D2 before D10."""
    return place.rstrip("0123456789"), int("0" + re.sub(r"\D", "", place)) if place[-1].isdigit() else 0


def _position(pins: dict[str, list[str]], end: str) -> int:
    part, _, pin = end.partition(".")
    return pins[part].index(pin)


def _quoted(value: object) -> str:
    """JSON, which is YAML; digits as numbers, because WireViz reads them so where it joins pins."""
    if isinstance(value, list):
        value = [int(item) if str(item).isdigit() else item for item in value]
    return json.dumps(value, ensure_ascii=False)


def sheets(wiring: Wiring, pin_map: PinMap) -> dict[str, str]:
    """Every drawing: its file's name and text."""
    return {f"{name}.yml": sheet(drawing, pin_map) for name, drawing in wiring.drawings.items()}


def stamp(sheet_file: bytes) -> str:
    """What an SVG says of the sheet that it was drawn from, so that a stale one is found without graphviz."""
    return f"drawn from a sheet with sha256 {hashlib.sha256(sheet_file).hexdigest()}"


def draw(folder: Path) -> list[Path]:
    """PNG and SVG beside every .yml of `folder`; the paths.  Raises: SetupError without WireViz or dot."""
    environment = dict(os.environ, PATH=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if any(shutil.which(program, path=environment["PATH"]) is None for program in ("wireviz", "dot")):
        raise SetupError(
            "wireviz or dot (Debian's graphviz) is not installed; `make wiring` fetches both, without root"
        )
    made: list[Path] = []
    with tempfile.TemporaryDirectory() as scratch:
        for source in sorted(folder.glob("*.yml")):
            _run(["wireviz", "-f", "g", "-o", scratch, "-O", source.stem, str(source)], environment)
            graph = Path(scratch, f"{source.stem}.gv")
            text = graph.read_text("utf-8")
            if text.count(" -- ") < CROWDED:  # long chains of few wires: less room between the boxes
                graph.write_text(re.sub(r"ranksep=[0-9.]+", f"ranksep={RANK_GAP_IN}", text), "utf-8")
            for kind, options in (("svg", []), ("png", [f"-Gdpi={PNG_DPI}"])):
                picture = source.with_suffix(f".{kind}")
                _run(["dot", f"-T{kind}", *options, "-o", str(picture), str(graph)], environment)
                if kind == "png":
                    _fewer_colours(picture)
                else:
                    with picture.open("a", encoding="utf-8") as file:
                        file.write(f"<!-- {stamp(source.read_bytes())} -->\n")
                made.append(picture)
    return made


def _fewer_colours(picture: Path) -> None:
    """A third of the bytes, and nothing to be seen of it."""
    from PIL import Image  # WireViz brings it

    with Image.open(picture) as image:
        image.convert("RGB").quantize(PNG_COLOURS).save(picture, optimize=True)


def _run(command: list[str], environment: dict[str, str]) -> None:
    options: dict[str, Any] = {"env": environment, "capture_output": True, "text": True, "timeout": DRAWN_WITHIN_S}
    done = subprocess.run(command, check=False, **options)
    if done.returncode:
        raise SetupError(f"{command[0]} refused {command[-1]}: {done.stderr.strip()[-400:]}")
