"""Codes of a unit's event log: the one table of firmware, base and pages. Frozen: only add, never renumber.

Their words, and what the value of each means, are in `trapbase.unit_words`, which no unit carries, and on the page
that is made from there, `trapmcu/EVENTS.md`; a test holds all three together. A code has 7 bits.
"""

REPEATED = 0  # another code came too often: code << 8 | how many were not written, 255 also for more

# What happens every day: written together, a few at a time
STATE = 1
PI_ON = 2
PI_UP = 3
PI_LEAVE = 4
PI_HALTED = 5
CLOCK_SET = 6
BASE_HEARD = 7
SERVICE_ENTERED = 8
SERVICE_LEFT = 9
BATTERY_OK = 10
SAFE_LEFT = 11
SETTINGS_KEPT = 12
SLOT_KEPT = 13

IMPORTANT = 16  # from here on an entry is durable at once
START = 16
SLOT_TRIED = 17
SETTINGS_TRIED = 18
LID_OPENED = 19

FAULT = 24  # from here on it is shown in heartbeats for a day
WATCHDOG = 24
BROWN_OUT = 25
SAFE_ENTERED = 26
PI_CUT = 27
PI_NO_SHOW = 28
BUDGET_SPENT = 29
PIR_STUCK = 30
BATTERY_LOW = 31
BATTERY_CRITICAL = 32
CLOCK_LOST = 33
CLOCK_DOUBTFUL = 34
FLASH_FULL = 35
FLASH_DAMAGED = 36
QUEUE_FULL = 37
CARD_FAULT = 38
RADIO_FAULT = 39
BASE_LOST = 40
SETTINGS_REVERTED = 41
SLOT_REVERTED = 42
LID_ALARM = 43
BUTTON_STUCK = 44
