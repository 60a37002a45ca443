"""The chain of contract tests: official clients -> api_spec -> answers of the emulator."""
