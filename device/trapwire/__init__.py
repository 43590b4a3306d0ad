"""The wire: frames, messages, fragments, link state machine, airtime. `PROTOCOL.md` is the authority.

The same files run on CPython 3.11+ and on MicroPython 1.25+, so nothing here imports more than `struct`,
`binascii` and `hashlib`, reads a clock, sleeps or does input and output.
"""
