"""Making a fresh process ready. Imports nothing that takes time: the server names these functions too."""

import warnings


def hush_pillow() -> None:
    """Keep Pillow from telling on standard error of damaged metadata: such pictures are as good as any.

    What is wrong with pixels is an exception, and an answer.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")


def warm_up() -> None:
    """Load PyTorch and the base network, so that the first training need not.

    What is missing is not said here, where nobody asked for anything: the training that needs it says so.
    """
    hush_pillow()
    from emulator.vision.classifier import TrainingFailed, warm_up

    try:
        warm_up()
    except TrainingFailed:
        return
