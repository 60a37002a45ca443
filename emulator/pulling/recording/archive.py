"""The archive of a project that is recorded: like that of a pull, filled piece by piece.

`custom-vision-emulator pull` with the same folder requests what is missing, and fetches no file again.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from emulator.core.pulled.archive import WORKSPACE, PullArchive
from emulator.core.pulled.journal import text_of

_ENDED = ("Completed", "Failed")
_NOT_SEEN = {"refused": "its images were not recorded"}
# A pull that finds it reads the lists again.
_COMPLETE, _RECORDED = "complete", "recorded"
_PROJECT, _CHANGED, _DELETED = "project", "changed", "deleted"
_STORAGE_URIS = ("exportModelContainerUri", "notificationQueueUri")


class RecordedArchive(PullArchive):
    """An open archive of recorded traffic."""

    @property
    def is_changed(self) -> bool:
        """Whether something was recorded since `settle`."""
        return self.meta(_CHANGED) == "yes"

    @property
    def is_deleted(self) -> bool:
        """Whether the project was deleted at the service."""
        return self.meta(_DELETED) == "yes"

    def change(self, project_id: str) -> None:
        """Note that something is recorded."""
        if self.meta(_PROJECT) is None:
            self.put_meta(_PROJECT, project_id)
        if not self.is_changed:
            self.put_meta(_COMPLETE, _RECORDED)
            self.put_meta(_CHANGED, "yes")

    def settle(self) -> None:
        """Note that all that was recorded is inserted."""
        self.put_meta(_CHANGED, "")

    def delete(self) -> None:
        """Note that the project was deleted at the service."""
        self.put_meta(_DELETED, "yes")

    # The project and its iterations

    def state(self) -> dict[str, Any]:
        known: dict[str, Any] = self.document("state") or {"project": None, "counts": {}, "iterations": []}
        return known

    def put_project(self, project: dict[str, Any]) -> None:
        settings = {name: value for name, value in project["settings"].items() if name not in _STORAGE_URIS}
        self.put_document("state", {**self.state(), "project": {**project, "settings": settings}})
        self.put_meta(_DELETED, "")

    def put_counts(self, **counts: int) -> None:
        state = self.state()
        self.put_document("state", {**state, "counts": {**state["counts"], **counts}})

    def put_iterations(self, iterations: Iterable[dict[str, Any]], *, are_all: bool) -> None:
        """Iterations as a response shows them. are_all: whether others are gone."""
        state = self.state()
        new = {iteration["id"]: iteration for iteration in iterations}
        known = {iteration["id"]: iteration for iteration in state["iterations"]}
        for iteration_id in known if are_all else ():
            if iteration_id not in new:
                self.forget_view(iteration_id)
        found = new if are_all else {**known, **new}
        ordered = sorted(found.values(), key=lambda one: (one["created"], one["id"]))
        self.put_document("state", {**state, "iterations": ordered})
        for iteration in new.values():
            if iteration["status"] in _ENDED and not self.has_document(f"count/{iteration['id']}"):
                self.put_document(f"count/{iteration['id']}", _NOT_SEEN)

    def change_iteration(self, iteration_id: str, **values: Any) -> None:
        found = [one for one in self.state()["iterations"] if one["id"] == iteration_id]
        if found:
            self.put_iterations([{**found[0], **values}], are_all=False)

    def remove_iteration(self, iteration_id: str) -> None:
        state = self.state()
        rest = [one for one in state["iterations"] if one["id"] != iteration_id]
        self.forget_view(iteration_id)
        self.put_document("state", {**state, "iterations": rest})

    # Tags

    def put_tags(self, view: str, tags: Sequence[dict[str, Any]]) -> None:
        """All tags of a view."""
        self.put_document("tags" if view == WORKSPACE else f"tags/{view}", list(tags))

    def put_tag(self, tag: dict[str, Any]) -> None:
        known = {one["id"]: one for one in self.document("tags") or ()}
        self.put_document("tags", [*{**known, tag["id"]: tag}.values()])

    def remove_tag(self, tag_id: str) -> None:
        self.put_document("tags", [one for one in self.document("tags") or () if one["id"] != tag_id])

    # Images

    def put_images(self, view: str, images: Iterable[dict[str, Any]]) -> None:
        """Images as a view describes them now."""
        with self.transaction():
            for image in images:
                number = self._description(image)
                row = self.one("SELECT place FROM listed WHERE view = ? AND image = ?", view, image["id"])
                place = self._next_place(view) if row is None else row[0]
                self.run(
                    "INSERT OR REPLACE INTO listed VALUES (?, ?, ?, ?)", view, image["id"], place, number
                )
            if view != WORKSPACE:
                self.put_document(f"count/{view}", self.listed_count(view))

    def change_images(self, ids: Iterable[str], change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Change what the workspace says of images."""
        known = self.descriptions(list(dict.fromkeys(ids)))
        self.put_images(
            WORKSPACE, [change(views[WORKSPACE]) for views in known.values() if WORKSPACE in views]
        )

    def remove_images(self, ids: Sequence[str] | None) -> None:
        """Remove images from the workspace. ids: None for all."""
        if ids is None:
            self.run("DELETE FROM listed WHERE view = ?", WORKSPACE)
            return
        self.run(
            "DELETE FROM listed WHERE view = ? AND image IN (SELECT value FROM json_each(?))",
            WORKSPACE,
            text_of(list(ids)),
        )

    def put_evaluated(self, iteration: str, images: Iterable[dict[str, Any]]) -> None:
        """Images of the evaluation set of an iteration: objects with `id` and `predictions`."""
        with self.transaction():
            for image in images:
                self.run(
                    "INSERT INTO evaluated VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (iteration, image) DO UPDATE SET body = excluded.body",
                    iteration,
                    image["id"],
                    self.evaluated_count(iteration),
                    text_of(image["predictions"]),
                )

    def put_predictions(self, predictions: Iterable[dict[str, Any]], place: int) -> None:
        """Stored predictions, those from `place` on that are new; what a list says of one counts more."""
        with self.transaction():
            super().put_predictions(predictions := list(predictions), place)
            for item in predictions:
                if item.get("domain"):
                    self.run("UPDATE prediction SET body = ? WHERE id = ?", text_of(item), item["id"])

    def remove_predictions(self, ids: Sequence[str]) -> None:
        self.run("DELETE FROM prediction WHERE id IN (SELECT value FROM json_each(?))", text_of(list(ids)))

    def _next_place(self, view: str) -> int:
        return self.count("SELECT coalesce(max(place), -1) + 1 FROM listed WHERE view = ?", view)
