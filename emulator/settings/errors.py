"""Errors that end a command with one line on standard error."""


class StartRefused(Exception):
    """The server cannot start. The message is one line for its user."""


class SettingError(StartRefused):
    """An option refuses a value. The message names the flag or variable and what is allowed."""
