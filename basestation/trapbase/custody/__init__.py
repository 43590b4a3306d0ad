"""Custody over years: backups, coming back from one, and how much room media take."""
