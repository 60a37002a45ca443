"""Entry point of `custom-vision-emulator` and of `python -m emulator`."""

import gc


def main() -> None:
    """Run the command line."""
    # Importing allocates a great many long-lived objects, and looking through them for garbage over and over
    # takes a fifth of the start. `serve` turns the collector on again when it has imported everything; the
    # other commands are over in a moment.
    gc.disable()
    from emulator.cli.main import run_command_line

    run_command_line()


if __name__ == "__main__":
    main()
