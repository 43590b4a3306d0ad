"""How a life of the firmware ends. Nothing in the firmware may catch these: only the unit's driver does."""

# Reset causes, as BOARD INTERFACE version 2 has them.
POWER = 0
SLEEP = 1
WATCHDOG = 2
SOFT = 3

# Wake sources
TIMER = 1
PIR = 2
RADIO = 4
BUTTON = 8


class Ended(BaseException):
    """This life is over. cause: of the next start; `POWER` waits until there is power again."""

    def __init__(self, cause: int) -> None:
        super().__init__(cause)
        self.cause = cause


class Over(BaseException):
    """The story is over: the unit's thread ends."""
