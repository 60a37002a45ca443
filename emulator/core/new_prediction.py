"""A prediction that is to be stored."""

from datetime import datetime
from typing import Any, NamedTuple


class NewPrediction(NamedTuple):
    """The values of a row of `StoredPrediction`. predictions: of `scores.to_stored`."""

    id: str
    project_id: str
    iteration_id: str
    created: datetime
    blob: str
    predictions: list[dict[str, Any]]
    application: str | None = None
    domain_id: str = ""
    uncertainty: float = 0.0
