"""The error of a command."""


class CommandFailed(Exception):
    """A command could not do its work. The message is one line for its user."""
