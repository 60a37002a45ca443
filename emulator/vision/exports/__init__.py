"""Writers of the formats that trained models are exported to."""
