"""What lies on a trap's card, for whoever holds the keys: `trapship open-card`."""
