"""What ingest is made of: messages read, and a group stored beside the reading of the next."""
