"""Trained iterations of every type of project."""

from collections.abc import Callable

import pytest

from tests.support.harness import Service
from tests.support.insight import Insight, detector, multiclass, multilabel

KINDS = {"Multiclass": multiclass, "Multilabel": multilabel, "ObjectDetection": detector}


@pytest.fixture(params=KINDS)
def each_kind(request: pytest.FixtureRequest, service: Service) -> Insight:
    make: Callable[[Service], Insight] = KINDS[request.param]
    return make(service)


@pytest.fixture
def classified(service: Service) -> Insight:
    return multiclass(service)


@pytest.fixture
def detected(service: Service) -> Insight:
    return detector(service)
