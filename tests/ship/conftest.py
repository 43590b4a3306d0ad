"""Fixtures of the tests that work on an operator's folder."""

from tests.ship.desk_parts import fresh_operator, operator, provision, say, stocked, stocked_register

__all__ = ["fresh_operator", "operator", "provision", "say", "stocked", "stocked_register"]
