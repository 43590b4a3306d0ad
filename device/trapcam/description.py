"""A model's description file: which file it belongs to, how to feed it, what its numbers mean, where it counts.

It lies beside the model under the same name (`feline.tflite`, `feline.toml`), is written by `models/train`, and is
checked in full before the first picture: a model that is not the one described must not judge anything.
"""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trapcam.checkedtoml import CheckedTable, ModelError
from trapcam.detections import PEOPLE
from trapcam.look import SecondLook
from trapcam.species import SpeciesOutput

OUTPUTS = ("objectness", "box", "classes")
PICTURE = "picture"  # the whole picture's judgement, from grid-2 on
LIKELY = "species"  # the likely species, from grid-3 on
DECODINGS = {"grid-1": OUTPUTS, "grid-2": (*OUTPUTS, PICTURE), "grid-3": (*OUTPUTS, PICTURE, LIKELY)}
MAX_SPECIES = 64
TYPES = ("uint8", "int8")
NAME = re.compile(r"[a-z][a-z_]{0,31}")
MAX_SIDE_PX = 2048  # a larger input would not fit a 512 MB trap beside its camera
MAX_FILE_BYTES = 1 << 20  # a description is a few kB; anything larger is another file


COPY_BOTH = "copy the .tflite and the .toml again, both from one release"
WHAT_TO_DO = "set detector.model (trapcam detect: --model) to a .tflite file that has its .toml beside it"


@dataclass(frozen=True, kw_only=True)
class OutputTensor:
    """One output of the net: its place among the interpreter's outputs, shape, type, and value = scale·(q - zero)."""

    name: str
    index: int
    shape: tuple[int, ...]
    type: str
    scale: float
    zero_point: int


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """What `feline.toml` says.

    Input: uint8 or int8 (1, height_px, width_px, 3), `colour_order` RGB, the whole picture stretched to it;
    real value = input_scale·(q - input_zero_point). `thresholds`: confidence from which a category counts, each 0–1.
    `nms_iou`: of two boxes of one category that overlap more than this, the weaker is dropped. `picture_share`: how
    much the judgement of the whole picture weighs beside the best cell's (0–1; 0 without that output). `second_look`:
    how to look again, or None. `species`: what the species output says, or None without one.
    """

    name: str
    version: str
    sha256: str
    classes: tuple[str, ...]
    thresholds: Mapping[str, float]
    width_px: int
    height_px: int
    input_type: str
    input_scale: float
    input_zero_point: int
    colour_order: str
    decoding: str
    nms_iou: float
    outputs: tuple[OutputTensor, ...]
    picture_share: float = 0.0
    second_look: SecondLook | None = None
    species: SpeciesOutput | None = None

    def output(self, name: str) -> OutputTensor:
        """The output tensor of that name (one of OUTPUTS)."""
        return next(tensor for tensor in self.outputs if tensor.name == name)


def load_description(toml_path: Path) -> ModelDescription:
    """Read and check a description file.

    Raises:
        ModelError: the file is missing, no TOML, or a key is missing or out of its range.
    """
    try:
        if toml_path.stat().st_size > MAX_FILE_BYTES:
            raise ModelError(f"{toml_path}: larger than {MAX_FILE_BYTES} bytes; this is no model description")
        table = tomllib.loads(toml_path.read_text("utf-8"))
    except OSError as error:
        raise ModelError(
            f"{toml_path}: cannot read the model's description: {error.strerror}; it comes with the model: {COPY_BOTH}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{toml_path}: not a TOML file: {error}; {COPY_BOTH}") from error
    top = CheckedTable(toml_path, table)
    sha256 = top.text("sha256")
    if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
        raise top.fail("sha256", sha256, "64 lower-case hexadecimal digits")
    classes = top.sequence("classes")
    # `len(set(…))` would raise on a list inside the list, so the names come first.
    if not all(isinstance(c, str) and NAME.fullmatch(c) for c in classes) or len(set(classes)) != len(classes):
        raise top.fail("classes", classes, "names of lower-case letters and _, each once")
    if not set(PEOPLE) <= set(classes):
        raise top.fail("classes", classes, f"{' and '.join(PEOPLE)} among them: people are never kept")
    limits = top.table("thresholds")
    entry = top.table("input")
    decoding = top.text("decoding", tuple(DECODINGS))
    species = _species(top.table("species"), tuple(classes)) if LIKELY in DECODINGS[decoding] else None
    width_px, height_px = (entry.whole(key, 32, MAX_SIDE_PX) for key in ("width_px", "height_px"))
    return ModelDescription(
        name=top.text("name"),
        version=top.text("version"),
        sha256=sha256,
        classes=tuple(classes),
        thresholds={name: limits.number(name, 0.0, 1.0) for name in classes},
        width_px=width_px,
        height_px=height_px,
        input_type=entry.text("type", TYPES),
        input_scale=entry.number("scale", 1e-9, 1.0),
        input_zero_point=entry.whole("zero_point", -128, 255),
        colour_order=entry.text("colour_order", ("RGB",)),
        decoding=decoding,
        nms_iou=top.number("nms_iou", 0.0, 1.0),
        outputs=_outputs(top, DECODINGS[decoding], len(classes), len(species.names) + 1 if species else 0),
        picture_share=top.number("picture_share", 0.0, 1.0) if PICTURE in DECODINGS[decoding] else 0.0,
        second_look=_second_look(top.table("second_look")) if "second_look" in table else None,
        species=species,
    )


def _species(table: CheckedTable, classes: tuple[str, ...]) -> SpeciesOutput:
    names = table.sequence("names")
    whole = all(isinstance(n, str) and 0 < len(n) <= 32 for n in names) and len(set(names)) == len(names)
    if not whole or len(names) > MAX_SPECIES:
        raise table.fail("names", names, f"at most {MAX_SPECIES} names of up to 32 letters, each once")
    return SpeciesOutput(of=table.text("of", classes), names=tuple(names), share=table.number("share", 0.0, 1.0))


def _second_look(table: CheckedTable) -> SecondLook:
    return SecondLook(
        grow=table.number("grow", 1.0, 10.0),
        share=table.number("share", 0.0, 1.0),
        from_confidence=table.number("from_confidence", 0.01, 1.0),
    )


def _outputs(top: CheckedTable, names: tuple[str, ...], classes: int, species: int) -> tuple[OutputTensor, ...]:
    last = {"objectness": 1, "box": 4, "classes": classes, PICTURE: classes, LIKELY: species}
    outputs = []
    table = top.table("outputs")
    for name in names:
        entry = table.table(name)
        shape = entry.sequence("shape")
        if len(shape) != 4 or not all(type(n) is int and n > 0 for n in shape) or shape[3] != last[name]:
            raise entry.fail("shape", shape, f"four whole numbers, the last one {last[name]}")
        outputs.append(
            OutputTensor(
                name=name,
                index=entry.whole("index", 0, len(names) - 1),
                shape=tuple(shape),
                type=entry.text("type", TYPES),
                scale=entry.number("scale", 1e-9, 1e3),
                zero_point=entry.whole("zero_point", -128, 255),
            )
        )
    grids = {t.shape[:3] for t in outputs if t.name not in (PICTURE, LIKELY)}
    if len({tensor.index for tensor in outputs}) != len(names) or len(grids) != 1:
        raise top.fail("outputs", sorted(names), "different indices and one common grid")
    return tuple(outputs)


def check_model(model: Path) -> ModelDescription:
    """The description beside `model`, when the two belong together; the runtime is not asked.

    Raises:
        ModelError: a file is missing or damaged, or is not the other's.
    """
    if model.suffix == ".toml":
        raise ModelError(f"{model}: is a model's description; name the model beside it: {model.with_suffix('.tflite')}")
    if not model.is_file():
        raise ModelError(f"{model}: there is no such model; {WHAT_TO_DO}")
    description = load_description(model.with_suffix(".toml"))
    check_sha256(model, description)
    return description


def check_sha256(model: Path, description: ModelDescription) -> None:
    """Compare the model file with its description.

    Raises:
        ModelError: unreadable, or other bytes than described.
    """
    try:
        found = hashlib.sha256(model.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{model}: cannot read the model: {error.strerror}; {WHAT_TO_DO}") from error
    if found != description.sha256:
        raise ModelError(
            f"{model}: sha256 = '{found}' is not allowed: its description says {description.sha256}. "
            f"The file is damaged or belongs to another description: {COPY_BOTH}"
        )
