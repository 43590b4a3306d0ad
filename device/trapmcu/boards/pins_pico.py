"""Modem and repeater: Raspberry Pi Pico under a Waveshare Pico-LoRa-SX1262.

Made from hardware/pins.toml by `trapsim pins --write`: change that.
"""

LORA_SCK = 10
LORA_MOSI = 11
LORA_MISO = 12
LORA_CS = 3
LORA_BUSY = 2
LORA_DIO1 = 20
LORA_RESET = 15
LAMP = 25
