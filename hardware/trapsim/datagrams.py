"""What the simulated radios and the channel say to each other over loopback datagrams.

node -> channel   b"J"                     I listen here (repeated: either side may have been restarted)
                  b"T" frame               my antenna starts sending this
                  b"C" sf u8 kHz u32 preamble u16   my antenna is on this channel now
channel -> node   b"B" ms u32              the channel is busy for this long
                  b"F" rssi i16 snr i8 frame   you heard this (dBm, quarter dB)
"""

JOIN = b"J"
TRANSMIT = b"T"
CONFIGURE = b"C"
CONFIGURE_FORMAT = ">BIH"
BUSY = b"B"
FRAME = b"F"
JOIN_EVERY_MS = 2000
