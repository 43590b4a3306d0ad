"""One trap's hardware in software and in virtual time, for the real firmware: see README.md here."""
