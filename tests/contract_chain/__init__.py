"""The chain of contract tests: official clients -> api_spec -> responses of the emulator."""
