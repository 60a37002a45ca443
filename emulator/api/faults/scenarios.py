"""The scenarios of faults that are set, in memory.

Calls are counted in the server's event loop, the control API uses threads.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from emulator.core.errors import ServiceError

if TYPE_CHECKING:
    from emulator.api.faults.recordings import Recordings
    from emulator.api.faults.scenario import Call, Fault, Scenario

MAX_SCENARIOS = 1000


class FaultScenarios:
    """All scenarios that are set, oldest first.

    Attributes:
        is_set: whether there are any.
        recordings: responses for stale ones; None when no scenario has any.
    """

    def __init__(self) -> None:
        self.is_set = False
        self.recordings: Recordings | None = None
        self._scenarios: dict[str, Scenario] = {}
        self._lock = threading.Lock()

    def add(self, scenario: Scenario) -> None:
        """Raises ServiceError when there are too many."""
        with self._lock:
            if len(self._scenarios) >= MAX_SCENARIOS:
                raise ServiceError(
                    "BadRequest", f"At most {MAX_SCENARIOS} scenarios can be set; delete some."
                )
            self._scenarios[scenario.id] = scenario
            self._note_change()

    def list_all(self) -> list[Scenario]:
        with self._lock:
            return list(self._scenarios.values())

    def get(self, scenario_id: str) -> Scenario:
        """Raises ServiceError NotFound."""
        with self._lock:
            return self._get(scenario_id)

    def remove(self, scenario_id: str) -> None:
        """End a scenario, and with it the requests that wait because of it. Raises ServiceError NotFound."""
        with self._lock:
            ended = self._get(scenario_id)
            del self._scenarios[scenario_id]
            self._note_change()
        ended.ending.end()

    def clear(self) -> None:
        """End all scenarios, and with them the requests that wait because of them."""
        with self._lock:
            ended = list(self._scenarios.values())
            self._scenarios.clear()
            self._note_change()
        for scenario in ended:
            scenario.ending.end()

    def take(self, call: Call) -> Fault | None:
        """The fault of a call: the oldest scenario that matches and has one for it decides."""
        with self._lock:
            for scenario in self._scenarios.values():
                if scenario.matches(call) and (fault := scenario.take(call)) is not None:
                    return fault
        return None

    def _get(self, scenario_id: str) -> Scenario:
        try:
            return self._scenarios[scenario_id]
        except KeyError:
            raise ServiceError("NotFound", f"There is no fault scenario {scenario_id}.") from None

    def _note_change(self) -> None:
        self.is_set = bool(self._scenarios)
        if not any(scenario.has_stale for scenario in self._scenarios.values()):
            self.recordings = None
        elif self.recordings is None:
            from emulator.api.faults.recordings import Recordings  # here, for a fast start

            self.recordings = Recordings()
