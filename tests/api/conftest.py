"""Fixtures of the tests of the routes."""

import pytest

from tests.support.harness import Service
from tests.support.predicting import Predicted


@pytest.fixture
def predicted(service: Service) -> Predicted:
    return Predicted(service)
