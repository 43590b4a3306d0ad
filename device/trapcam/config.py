"""The settings of `trapcam` (TOML; `deploy/settings.md` lists them, generated from here)."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct, field

from trapcam.config_service import ServiceSettings
from trapcam.config_updates import UpdateSettings
from trapcam.health.verdicts import Limits
from trapkit.errors import SetupError
from trapkit.update.launch import FOLDER, SLOT

MODEL_DEFAULT = "/usr/share/pugmark/models/feline.tflite"
KEEPABLE = r"^(?!(person|vehicle)$)[a-z][a-z_]{0,31}$"  # a class's name that is none of people
LIMITS = Limits()  # of the health checks
_DEVELOPMENT_MODELS = Path(__file__).resolve().parents[2] / "models"


class SupervisorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    port: Annotated[str, Meta(description="Serial device of the supervisor (path)")] = "/dev/serial0"
    baud: Annotated[int, Meta(ge=9600, le=3_000_000, description="Speed of that line (bit/s)")] = 115_200
    board: Annotated[
        str, Meta(pattern=r"^[a-z0-9-]{1,32}$", description="Its board: whose firmware of a release is meant (name)")
    ] = "xiao-s3"
    power_off: Annotated[
        list[str],
        Meta(max_length=16, description="Command that shuts the Pi down when the supervisor says so; none: only end"),
    ] = field(default_factory=list)


class ReplaySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    folder: Annotated[
        str,
        Meta(description="Folder of pictures (JPEG, PNG) and videos (AVI, MP4, MOV), a burst for each trigger (path)"),
    ] = ""
    loop: Annotated[bool, Meta(description="Begin again after the last picture")] = False
    max_megapixels: Annotated[
        float, Meta(ge=0.1, le=60, description="Larger pictures are recorded as unreadable (million pixels)")
    ] = 40.0
    video_frames: Annotated[
        int, Meta(ge=1, le=30, description="Frames of a burst from a video; a longer one gives more bursts (count)")
    ] = 6
    video_every_s: Annotated[float, Meta(ge=0.1, le=60, description="Time between these frames (s)")] = 1.0


class UsbSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    device: Annotated[str, Meta(description="The camera, as `ls /dev/video*` shows it (path)")] = "/dev/video0"
    format: Annotated[
        Literal["mjpeg", "yuyv422"],
        Meta(description="What it sends; with mjpeg the full frame is the camera's own JPEG"),
    ] = "mjpeg"
    width: Annotated[int, Meta(ge=160, le=4_096, description="Width of its pictures (pixels)")] = 1_280
    height: Annotated[int, Meta(ge=120, le=3_072, description="Height of its pictures (pixels)")] = 720
    rate: Annotated[float, Meta(ge=1, le=60, description="Pictures that it takes (1/s)")] = 15.0
    frames: Annotated[int, Meta(ge=1, le=12, description="Frames of a burst (count)")] = 3
    every_s: Annotated[float, Meta(ge=0.05, le=5, description="Time between these frames (s)")] = 0.5
    preroll: Annotated[
        int, Meta(ge=0, le=11, description="How many of them are from before the trigger (count; below `frames`)")
    ] = 1


class PiSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    frames: Annotated[int, Meta(ge=1, le=6, description="Frames of a burst (count)")] = 6
    every_s: Annotated[float, Meta(ge=0.1, le=2, description="Time between these frames (s)")] = 0.4
    preroll: Annotated[
        int,
        Meta(
            ge=0, le=5, description="How many are from before the trigger, but under the lamp (count; below `frames`)"
        ),
    ] = 2
    rate: Annotated[float, Meta(ge=2, le=30, description="Pictures that the camera takes (1/s)")] = 10.0
    lens_position: Annotated[
        float, Meta(ge=0, le=15, description="Focus, fixed: 1 / distance of the path in m (dioptres; 0: far away)")
    ] = 0.25
    light: Annotated[
        Literal["auto", "day", "night"], Meta(description="Whether it is day or night; auto: the pictures tell")
    ] = "auto"
    day_longest_ms: Annotated[
        float, Meta(ge=0.5, le=50, description="Exposure that is not exceeded by day: longer ones blur what walks (ms)")
    ] = 8.0
    night_ms: Annotated[float, Meta(ge=0.5, le=100, description="Exposure by night, fixed (ms)")] = 8.0
    night_gain: Annotated[float, Meta(ge=1, le=16, description="Gain by night, fixed (times)")] = 8.0
    lamp_gpio: Annotated[
        int, Meta(ge=-1, le=27, description="GPIO that switches the infrared lamp; 17 as we wire it (-1: no lamp)")
    ] = -1
    filter_gpio: Annotated[
        int, Meta(ge=-1, le=27, description="GPIO that is high while the infrared filter is in (-1: no such filter)")
    ] = -1
    gpio_chip: Annotated[str, Meta(description="The chip that these belong to (path)")] = "/dev/gpiochip0"
    renew_shots: Annotated[
        int,
        Meta(ge=0, le=1_400, description="Pictures after which an idle camera is opened anew, lest it fail (0: never)"),
    ] = 1_200


class CameraSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: Annotated[
        Literal["replay", "usb", "pi"],
        Meta(description="Where frames come from: a folder, a camera on USB (V4L2), the Pi's own (picamera2)"),
    ] = "replay"
    replay: ReplaySettings = field(default_factory=ReplaySettings)
    usb: UsbSettings = field(default_factory=UsbSettings)
    pi: PiSettings = field(default_factory=PiSettings)


class TriggerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    source: Annotated[
        Literal["supervisor", "interval"],
        Meta(description="What wakes the camera: the supervisor's PIR, or a fixed interval"),
    ] = "supervisor"
    interval_s: Annotated[float, Meta(ge=0.01, le=86_400, description="That interval (s)")] = 60.0


class DetectorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    model: Annotated[
        str,
        Meta(description="TFLite model, its description file beside it (path; a checkout's own `models/` stands in)"),
    ] = MODEL_DEFAULT
    threads: Annotated[int, Meta(ge=1, le=4, description="Threads of the detector (count)")] = 1
    required: Annotated[
        bool, Meta(description="Do not start without a good model; else every burst is kept, sealed and unjudged")
    ] = False
    without_mb: Annotated[
        int, Meta(ge=1, le=100_000, description="Room for what is kept so; what is beyond is only counted (MB)")
    ] = 2_000


class KeepSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    categories: Annotated[
        tuple[Annotated[str, Meta(pattern=KEEPABLE)], ...],
        Meta(
            min_length=1,
            max_length=16,
            description="Classes of the model that make a sighting; person and vehicle never do",
        ),
    ] = ("feline",)
    threshold: Annotated[
        float, Meta(ge=0, le=1, description="Confidence from which they do (0–1; 0: the model's own threshold)")
    ] = 0.0


class AuditSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    enabled: Annotated[bool, Meta(description="Keep sealed samples of what was rejected, to count what is missed")] = (
        True
    )
    share: Annotated[
        float,
        Meta(ge=0, le=1, description="Of bursts below half the threshold, how many (0–1); of those above it, all"),
    ] = 0.05
    people: Annotated[
        float,
        Meta(ge=0, le=0.5, description="Never one that reaches this of a person's or vehicle's threshold (0–0.5)"),
    ] = 0.25
    max_mb: Annotated[
        int, Meta(ge=1, le=100_000, description="Room for them; what is beyond goes by lot, far ones first (MB)")
    ] = 500


class CardSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reserve_mb: Annotated[
        int,
        Meta(
            ge=0,
            le=100_000,
            description="Room that full frames and samples leave for alerts, crops, frames and receipts (MB)",
        ),
    ] = 200


class PeopleSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    hourly_count: Annotated[bool, Meta(description="Keep a count an hour of withheld bursts, and nothing else")] = False


class KeySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    base: Annotated[
        str, Meta(description="Public key of the operator's bases, for crops and frames (path; 64 hex digits)")
    ] = "/etc/pugmark/keys/base.pub"
    recipients: Annotated[str, Meta(description="Who may open full frames (path; lines of age1…)")] = (
        "/etc/pugmark/keys/recipients.txt"
    )
    receipts: Annotated[
        str, Meta(description="Public key that the back end signs receipts with (path; 64 hex digits)")
    ] = "/etc/pugmark/keys/backend.pub"
    sign: Annotated[
        str, Meta(description="What this trap signs its notes with (path; 64 hex digits; empty: made in `data`)")
    ] = ""


class HealthSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    bare: Annotated[
        float,
        Meta(
            ge=0.1,
            le=1,
            description="From this share of the picture without anything to see on, the lens is obscured (0–1)",
        ),
    ] = LIMITS.bare
    detail: Annotated[
        float, Meta(ge=0, le=1, description="Obscured too below this share of the scene's usual detail (0–1)")
    ] = LIMITS.detail
    black: Annotated[
        float, Meta(ge=0, le=255, description="Black is a picture whose brightest hundredth is below this (0–255)")
    ] = LIMITS.black
    snow_mean: Annotated[
        float, Meta(ge=0, le=255, description="Obscured and so bright is snowed in, not dark dirt (0–255)")
    ] = LIMITS.snow_mean
    snow_colour: Annotated[
        float, Meta(ge=0, le=255, description="And with no more colour than this (mean difference of channels, 0–255)")
    ] = LIMITS.snow_colour
    moved: Annotated[
        float, Meta(ge=0.02, le=0.3, description="Shift of the scene that is an alarm (0–1 of width or height)")
    ] = LIMITS.moved
    turned: Annotated[float, Meta(ge=1, le=30, description="Turn of the scene that is one (degrees)")] = LIMITS.turned
    agreement: Annotated[
        float, Meta(ge=0, le=1, description="How alike two days must be for a shift to be believed (correlation, 0–1)")
    ] = LIMITS.agreement
    after_looks: Annotated[
        int, Meta(ge=1, le=10, description="Looks in a row that change a verdict on lens or lamp (count)")
    ] = LIMITS.after_looks
    after_moved: Annotated[
        int, Meta(ge=1, le=10, description="Days in a row that say the same shift before it is an alarm (count)")
    ] = LIMITS.after_moved


class RungSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    crop_bytes: Annotated[int, Meta(ge=400, le=8_000, description="Largest crop before sealing (bytes)")] = 1_480
    frame_bytes: Annotated[int, Meta(ge=2_000, le=11_000, description="Largest frame before sealing (bytes)")] = 8_000
    frame_pixels: Annotated[int, Meta(ge=160, le=1_920, description="Longest side of a frame (pixels)")] = 960
    full_frames: Annotated[
        int, Meta(ge=1, le=3, description="Full frames of a burst: the best, and those that add most to it (count)")
    ] = 3
    scene_bytes: Annotated[
        int, Meta(ge=400, le=8_000, description="Largest picture of the empty scene before sealing (bytes)")
    ] = 3_000
    scene_pixels: Annotated[int, Meta(ge=64, le=960, description="Longest side of such a picture (pixels)")] = 320


class UplinkSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    window: Annotated[int, Meta(ge=1, le=32, description="Objects offered without an answer (count)")] = 4
    answer_s: Annotated[float, Meta(ge=0.1, le=600, description="Wait for an answer before offering again (s)")] = 5.0
    hello_s: Annotated[float, Meta(ge=0.1, le=600, description="Repeat of HELLO until answered (s)")] = 3.0
    status_s: Annotated[float, Meta(ge=0.1, le=3_600, description="Interval of STATUS to the supervisor (s)")] = 10.0
    full_s: Annotated[float, Meta(ge=0.1, le=3_600, description="Wait after FULL_QUEUE (s)")] = 10.0


class NetworkSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host: Annotated[
        str, Meta(max_length=253, description="The base's broker, as in its certificate (name; empty: no network)")
    ] = ""
    port: Annotated[int, Meta(ge=1, le=65_535, description="Its TLS port (1–65535)")] = 8_883
    certificates: Annotated[
        str, Meta(description="Folder of ca.crt, and of this trap's own NUMBER.crt and NUMBER.key (path)")
    ] = "/etc/pugmark/certificates"
    window: Annotated[int, Meta(ge=1, le=128, description="Objects without an answer, full frames apart (count)")] = 16
    window_bytes: Annotated[
        int, Meta(ge=1_024, le=16_777_216, description="Those together; a full frame goes beside them (bytes)")
    ] = 262_144
    answer_s: Annotated[
        float,
        Meta(ge=0.1, le=600, description="Wait for a base's answer; then publish again, and use the radio (s)"),
    ] = 10.0
    slowest_bytes_per_s: Annotated[
        int,
        Meta(ge=100, le=100_000_000, description="That wait grows by an object's bytes at this speed (bytes/s)"),
    ] = 10_000
    stay_s: Annotated[
        float,
        Meta(ge=0, le=480, description="A parked Pi stays for its uploads until nothing moved for so long (s; 0: not)"),
    ] = 120.0
    join_s: Annotated[
        float, Meta(ge=0, le=480, description="And so long for a network that is not there (s; 0: not)")
    ] = 20.0


class ClockSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    uncertainty_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=3_600_000,
            description="How far the computer's clock may be off; a surer word of the base counts (ms; 0: unknown)",
        ),
    ] = 0


class TrapSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything `trapcam` can be told."""

    trap: Annotated[int, Meta(ge=0, le=65_535, description="This trap's number (1–65535; 0: not given, refused)")] = 0
    PACK: ClassVar[str] = "trapcam"
    data: Annotated[str, Meta(description="Folder of the outbox (path)")] = "/var/lib/pugmark/trapcam"
    pack: Annotated[
        tuple[Annotated[str, Meta(max_length=400)], ...],
        Meta(max_length=4, description="Signed settings pack of all parks: the first of these that is there (paths)"),
    ] = ()
    pack_key: Annotated[
        str, Meta(max_length=400, description="Public key that the pack must be signed with (path; 64 hex digits)")
    ] = ""
    region: Annotated[
        tuple[Annotated[str, Meta(max_length=400)], ...],
        Meta(max_length=4, description="Signed plan of the region: the first of these that is there (paths)"),
    ] = ()
    region_key: Annotated[
        str, Meta(max_length=400, description="Public key that the plan must be signed with (path; 64 hex digits)")
    ] = ""
    unit: Annotated[
        str,
        Meta(max_length=400, description="What `trapship provision` wrote for this unit (path; empty: none)"),
    ] = ""
    supervisor: SupervisorSettings = field(default_factory=SupervisorSettings)
    camera: CameraSettings = field(default_factory=CameraSettings)
    trigger: TriggerSettings = field(default_factory=TriggerSettings)
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    keep: KeepSettings = field(default_factory=KeepSettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    card: CardSettings = field(default_factory=CardSettings)
    people: PeopleSettings = field(default_factory=PeopleSettings)
    keys: KeySettings = field(default_factory=KeySettings)
    rungs: RungSettings = field(default_factory=RungSettings)
    health: HealthSettings = field(default_factory=HealthSettings)
    uplink: UplinkSettings = field(default_factory=UplinkSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    clock: ClockSettings = field(default_factory=ClockSettings)
    service: ServiceSettings = field(default_factory=ServiceSettings)
    update: UpdateSettings = field(default_factory=UpdateSettings)


def require_trap(settings: TrapSettings) -> int:
    """The trap's number.  Raises: SetupError when none was given: two traps with one number would be one trap."""
    if settings.trap == 0:
        raise SetupError("key 'trap' is 0; allowed are 1–65535: give this trap its own number")
    return settings.trap


def check_keep(settings: TrapSettings, classes: Iterable[str]) -> None:
    """Whether the model knows what is to be kept; `classes`: those it has.  Raises: SetupError."""
    allowed = [name for name in classes if re.search(KEEPABLE, name)]
    for name in settings.keep.categories:
        if name not in allowed:
            raise SetupError(
                f"key 'keep.categories' is {list(settings.keep.categories)}: the model {model_path(settings)} has no "
                f"class {name!r} to keep; allowed are: {', '.join(allowed)}"
            )


def model_path(settings: TrapSettings) -> Path:
    """The model's file: of the release that runs where it brought one and the settings name no other; from a checkout
    without an installed one, the checkout's own."""
    path = Path(settings.detector.model)
    root, slot = os.environ.get(FOLDER, ""), os.environ.get(SLOT, "")
    if settings.detector.model == MODEL_DEFAULT and root and slot:
        found = sorted((Path(root) / slot / "model").rglob("*.tflite"))
        if found:
            return found[0]
    if settings.detector.model == MODEL_DEFAULT and not path.exists():
        return _DEVELOPMENT_MODELS / path.name
    return path
