"""Routes of the Prediction API."""
