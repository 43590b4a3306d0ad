"""The demo's cameras in a service visit: what they see now is the drawn wood; their bursts stay what they are."""

from collections.abc import Callable

from trapcam.camera import Camera
from trapcam.frames import Burst, Frame, Unreadable
from trapcam.trigger import Trigger
from trapsim.picam import packed
from trapsim.stagedcamera import Stage
from trapsim.walker.scene import Wood
from trapsim.walker.walk import Walking


class VisitedCamera:
    """A camera whose live picture is the wood with whoever walks there; `camera` takes the bursts."""

    def __init__(
        self, camera: Camera, wood: Wood, walking: Callable[[], Walking | None], now_ms: Callable[[], int]
    ) -> None:
        self._camera = camera
        self._wood = wood
        self._walking = walking
        self._now_ms = now_ms

    @property
    def source(self) -> str:
        return self._camera.source

    @property
    def total(self) -> int | None:
        return self._camera.total

    @property
    def about(self) -> str:
        return self._camera.about

    def start(self) -> None:
        self._camera.start()

    def frames(self, trigger: Trigger, position: int) -> Burst | Unreadable | None:
        return self._camera.frames(trigger, position)

    def newest(self) -> Frame:
        """What it sees now."""
        pixels = self._wood.picture(self._walking())
        return Frame(pixels=pixels, taken_ms=self._now_ms(), uncertainty_ms=None, name="now")

    def close(self) -> None:
        self._camera.close()


class VisitedStage:
    """The Pi's simulated module looks at the wood while somebody is there, and at its pictures again afterwards;
    `wood`: in the module's size."""

    def __init__(self, stage: Stage, wood: Wood) -> None:
        self._stage = stage
        self._wood = wood
        self._empty = packed(wood.picture(None))
        self._shown: tuple[bool, Walking | None] = (False, None)

    def show(self, here: bool, walking: Walking | None) -> None:
        """Put before the module what is there now."""
        if (here, walking) == self._shown:
            return
        self._shown = (here, walking)
        if here:
            self._stage.stand_before([self._empty if walking is None else packed(self._wood.picture(walking))])
        else:
            self._stage.change(self._stage.place)
