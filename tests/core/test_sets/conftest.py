"""A project with a trained iteration and a test set."""

from dataclasses import dataclass

import pytest

from tests.support.harness import Service
from tests.support.test_sets import Sets


@dataclass
class Held:
    """A trained Multiclass project with the tags red and blue, and its test sets. iteration: its path."""

    service: Service
    sets: Sets
    project: str
    red: str
    blue: str
    iteration: str


@pytest.fixture
def tested(service: Service) -> Held:
    project, red, blue = service.trainable()
    iteration = service.train(project)
    return Held(service, Sets(service, project), project, red, blue, iteration)
