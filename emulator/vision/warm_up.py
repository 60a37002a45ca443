"""Making a fresh worker process ready. Imports nothing by itself: the server names this function too."""


def warm_up() -> None:
    """Load PyTorch and the base network, so that the first training need not.

    What is missing is not said here, where nobody asked for anything: the training that needs it says so.
    """
    from emulator.vision.classification.train import TrainingFailed, warm_up
    from emulator.vision.imaging.decode import silence_pillow_warnings

    silence_pillow_warnings()
    try:
        warm_up()
    except TrainingFailed:
        return
