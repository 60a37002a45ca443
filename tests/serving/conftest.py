"""An image on a web server of this machine."""

from collections.abc import Iterator

import pytest

from tests.support.exported_models import plain
from tests.support.web_servers import Server, answer_with


@pytest.fixture(scope="session")
def picture_url() -> Iterator[str]:
    """The URL of a red image."""
    with Server(answer_with(plain("red"))) as server:
        yield f"{server.url}/red.png"
