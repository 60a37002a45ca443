"""Networks that the user brings: reading weight files, conversion, the registry."""
