"""Pins of the modem's or repeater's Pico under a Pico-LoRa-SX1262. Written from hardware/pins.toml: change it there."""

LORA_SCK = 10
LORA_MISO = 12
LORA_MOSI = 11
LORA_CS = 3
LORA_RESET = 15
LORA_BUSY = 2
LORA_DIO1 = 20
LAMP = 25
