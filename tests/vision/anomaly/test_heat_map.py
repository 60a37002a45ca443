"""The heat map of an anomaly detector shows the defect."""

import numpy
import pytest

from emulator.vision.classification.dataset import TrainedClassifier
from emulator.vision.heat_maps.mapper import HeatMapper
from tests.vision.anomaly.conftest import part

pytestmark = pytest.mark.slow


def test_the_defect_is_where_the_map_is_high(detector: TrainedClassifier) -> None:
    mapper = HeatMapper(detector.model_path)
    for number in (100, 101, 102):
        found = mapper.heat_map(part(number, defect=True))
        assert (found.method, mapper.labels[found.tag]) == ("AnomalyProbability", "anomaly")
        assert found.values_HW.max() == pytest.approx(found.probability, abs=1e-6)
        random = numpy.random.default_rng(number)
        random.integers(150, 170), random.integers(6, 10, 2)  # as `part` draws them
        left, top = random.integers(20, 60, 2).tolist()
        row, column = numpy.unravel_index(found.values_HW.argmax(), found.values_HW.shape)
        side = 96 / len(found.values_HW)
        assert left - side <= column * side + side / 2 <= left + 25 + side
        assert top - side <= row * side + side / 2 <= top + 12 + side


def test_the_map_for_good_parts_is_the_complement(detector: TrainedClassifier) -> None:
    mapper = HeatMapper(detector.model_path)
    data = part(103, defect=True)
    anomaly, good = mapper.heat_map(data, 0), mapper.heat_map(data, 1)
    numpy.testing.assert_allclose(good.values_HW, 1 - anomaly.values_HW)
    assert good.probability == pytest.approx(1 - anomaly.probability, abs=1e-6)
    assert mapper.heat_map(part(104)).values_HW.max() < 0.5
