"""Trap: Seeed XIAO ESP32-S3 with the Wio-SX1262 kit, on the carrier.

Made from hardware/pins.toml by `trapsim pins --write`: change that.
"""

LORA_SCK = 7
LORA_MISO = 8
LORA_MOSI = 9
LORA_CS = 41
LORA_RESET = 42
LORA_BUSY = 40
LORA_DIO1 = 39
LORA_DIO1_WAKE = 1
LORA_RF_SWITCH = 38
PIR = 2
BUTTON = 3
PI_POWER = 4
I2C_SDA = 5
I2C_SCL = 6
PI_TX = 43
PI_RX = 44

# Bits of the port expander
LAMP = 0
BEEPER = 1
PI_HALTED = 2
LID = 3
