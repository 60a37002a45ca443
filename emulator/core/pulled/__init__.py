"""Projects that were pulled from a resource of the service: their archives, and inserting them."""
