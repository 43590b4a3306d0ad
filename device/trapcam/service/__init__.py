"""The ranger's page, served by the trap itself in service mode."""
