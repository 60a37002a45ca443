"""Which trainer makes the models of a project: the real one, or the instant one for tests."""

from typing import Literal

Trainer = Literal["real", "instant"]


class Trainers:
    """The trainer of new trainings: one for all projects, and others for single projects. Only in memory.

    Attributes:
        default: of projects without their own.
    """

    def __init__(self, option: Trainer = "real") -> None:
        self._option = option
        self.default = option
        self._of_projects: dict[str, Trainer] = {}

    def of(self, project_id: str) -> Trainer:
        """The trainer of a project."""
        return self._of_projects.get(project_id, self.default)

    def own(self, project_id: str) -> Trainer | None:
        """The trainer that was chosen for a project; None if it has the default."""
        return self._of_projects.get(project_id)

    def choose(self, project_id: str, trainer: Trainer | None) -> None:
        """Choose the trainer of a project; None for the default."""
        if trainer is None:
            self._of_projects.pop(project_id, None)
        else:
            self._of_projects[project_id] = trainer

    def reset(self) -> None:
        """Return to the option that the emulator was started with."""
        self.default = self._option
        self._of_projects.clear()
