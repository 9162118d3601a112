"""What the platform decides, without clock, database or network."""
