"""A board with its line, radio and flash only: the rest of what `trapmcu` asks of one is answered by having none."""


class PlainBoard:
    """Its Pi has a supply of its own; every start is a loss of power; nobody sees its lamp."""

    def feed(self) -> None:
        """No watchdog."""

    def clock_kept(self) -> bool:
        return False

    def reset_cause(self) -> int:
        return 0

    def woke_by(self) -> int:
        return 0

    def retained(self) -> bytes:
        return b""

    def retain(self, data: bytes) -> None:
        """Lost with the power."""

    def pi_power(self, on: bool) -> None:
        """No switch."""

    def pi_halted(self) -> "bool | None":
        return None

    def battery_mv(self) -> "int | None":
        return None

    def temperature_c(self) -> "int | None":
        return None

    def button(self) -> int:
        return 0

    def high(self) -> int:
        return 0

    def lid_open(self) -> "bool | None":
        return None

    def start_radio(self) -> None:
        """Its radio always answers."""

    def lamp(self, on: bool) -> None:
        """None."""

    def beep(self, on: bool) -> None:
        """None."""
