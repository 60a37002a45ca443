"""Routes, one file a group of operations: parse, call `emulator.core`, answer. The rules are not here."""
