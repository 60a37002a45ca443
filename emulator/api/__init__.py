"""FastAPI routers, one file for each group of operations: an endpoint calls `emulator.core`."""
