"""Limits, domains and checks of the service that need neither the store nor other rules."""
