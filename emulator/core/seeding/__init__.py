"""Loading state at the start: seeds of a new data folder, and the exported state of another one."""
