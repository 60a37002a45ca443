"""Forwarding calls to another resource, whose responses are compared with those of the emulator."""
