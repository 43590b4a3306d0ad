"""The lamp and the infrared filter on the Pi's own pins, by the kernel's GPIO device (the only importer of gpiod)."""

from contextlib import suppress
from typing import Any

from trapkit.errors import SetupError


class GpioLamp:
    """`trapcam.camera.lamp.Lamp`: lines of a chip (path), by number; None where there is none. The lamp's line is high
    while it shines, the filter's while it is in. Opened at the first use, dark and with the filter in."""

    def __init__(self, chip: str, lamp: int | None, filter_line: int | None) -> None:
        try:
            import gpiod
            from gpiod.line import Direction, Value
        except ImportError as error:
            raise SetupError(
                f"a key of camera.pi names a GPIO, and gpiod cannot be imported ({error}): "
                "pip install '.[pi]' in the project's clone"
            ) from error
        self._gpiod = gpiod
        self._values = {True: Value.ACTIVE, False: Value.INACTIVE}
        self._output = Direction.OUTPUT
        self._chip = chip
        self._lamp = lamp
        self._filter = filter_line
        self._lines: Any = None

    def light(self, on: bool) -> None:
        """Raises: OSError when the line is gone, or another program's."""
        self._set(self._lamp, on)

    def filter(self, by_day: bool) -> None:
        """Raises: OSError as `light`."""
        self._set(self._filter, by_day)

    def close(self) -> None:
        """Dark; the lines let go."""
        if self._lines is None:
            return
        lines, self._lines = self._lines, None
        with suppress(OSError):  # the chip is gone, and the light with it
            if self._lamp is not None:
                lines.set_value(self._lamp, self._values[False])
        lines.release()

    def _set(self, line: int | None, high: bool) -> None:
        if line is None:
            return
        if self._lines is None:
            settings = self._gpiod.LineSettings(direction=self._output, output_value=self._values[False])
            by_day = self._gpiod.LineSettings(direction=self._output, output_value=self._values[True])
            config: dict[Any, Any] = {number: settings for number in (self._lamp,) if number is not None}
            config |= {number: by_day for number in (self._filter,) if number is not None}
            self._lines = self._gpiod.request_lines(self._chip, consumer="trapcam", config=config)
        self._lines.set_value(line, self._values[high])
