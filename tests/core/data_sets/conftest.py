"""Fixtures of the tests of data sets."""

import pytest

from tests.support.data_sets import DataSets
from tests.support.harness import Service


@pytest.fixture
def sets(service: Service) -> DataSets:
    return DataSets(service)
