"""Shapes of the requests and responses of the emulator's own API."""
