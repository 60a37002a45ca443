"""Bodies and responses of what test suites use of the control API, and what its messages suggest."""
