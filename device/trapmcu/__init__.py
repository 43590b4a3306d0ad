"""The microcontroller's firmware: supervisor of a trap, or modem of a base station. MicroPython 1.25+.

A board object is handed in (`README.md` says what it offers); only board files import `machine`.
"""
