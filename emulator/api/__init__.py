"""HTTP in, one call of `emulator.core`, response out: FastAPI routers, one file a group of operations."""
