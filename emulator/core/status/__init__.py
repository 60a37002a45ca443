"""The state of the emulator as a whole: readiness, information, jobs, and the examination of a data folder."""
