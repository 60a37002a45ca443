"""Routes of the control API under /_emulator: health, reset, insight, model import, documents."""
