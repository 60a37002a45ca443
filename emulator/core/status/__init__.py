"""The state of the emulator: readiness, information, jobs, and the examination of a data folder."""
