"""What test suites use of the control API: the endpoints of docs/testing.md."""
