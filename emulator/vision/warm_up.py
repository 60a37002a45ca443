"""Warm-up of a new worker process. Imports nothing by itself, because the server names its function."""


def warm_up() -> None:
    """Load PyTorch and the base network, so that the first training starts faster.

    Missing packages are not reported here: the training that needs them reports them.
    """
    from emulator.vision.classification.train import warm_up
    from emulator.vision.imaging.decode import silence_pillow_warnings
    from emulator.vision.training.errors import TrainingFailed

    silence_pillow_warnings()
    try:
        warm_up()
    except TrainingFailed:
        return
