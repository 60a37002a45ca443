"""Entry point of `custom-vision-emulator` and of `python -m emulator`."""

import gc


def main() -> None:
    """Run the command line."""
    # Imports allocate many long-lived objects, and collecting garbage meanwhile takes a fifth of the start.
    # `serve` enables the collector when the server is ready; the other commands end soon.
    gc.disable()
    from emulator.cli.main import run_command_line

    run_command_line()


if __name__ == "__main__":
    main()
