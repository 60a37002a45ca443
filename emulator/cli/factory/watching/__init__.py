"""What the command `watch` consists of."""
