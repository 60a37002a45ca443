"""What an archive has, in numbers, and what is missing, with the reasons."""

from dataclasses import dataclass
from typing import Any

from emulator.core.pulled.archive import WORKSPACE, Missing, PullArchive
from emulator.pulling.iterations import is_pulled

_FORMAT = "custom-vision-emulator-pull-manifest"
_NOT_OBTAINABLE = (
    "models of iterations that were never exported, images larger than 1,600 pixels, names of uploaded "
    "files, role assignments, the application of stored predictions, URIs of storage accounts"
)


@dataclass(frozen=True)
class Counted:
    """Things of a kind: how many there are in the archive, and how many the service counts."""

    name: str
    pulled: int
    total: int


@dataclass(frozen=True)
class Manifest:
    """The manifest of a pull.

    notes: what differs without being missing.
    """

    project_id: str
    project_name: str
    counts: list[Counted]
    missing: list[Missing]
    differences: list[str]
    notes: list[str]

    @property
    def is_complete(self) -> bool:
        return not self.missing and not self.differences

    def lines(self) -> list[str]:
        """The manifest for a terminal."""
        counts = ", ".join(f"{item.name} {item.pulled:,} of {item.total:,}" for item in self.counts)
        found = [f"{self.project_name} ({self.project_id})", f"  {counts}, missing {len(self.missing):,}"]
        found += [f"  missing: {item.kind} {item.id}: {item.reason}" for item in self.missing]
        found += [f"  differs: {difference}" for difference in self.differences]
        return found + [f"  note: {note}" for note in self.notes]

    def to_json(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "version": 1,
            "projectId": self.project_id,
            "projectName": self.project_name,
            "complete": self.is_complete,
            "counts": {item.name: {"pulled": item.pulled, "total": item.total} for item in self.counts},
            "missing": [item._asdict() for item in self.missing],
            "differences": self.differences,
            "notes": self.notes,
            "notObtainable": _NOT_OBTAINABLE,
        }


def manifest_of(archive: PullArchive, differences: list[str]) -> Manifest:
    """The manifest of an archive. differences: between it and the project, from `ProjectPull.run`."""
    state = archive.document("state")
    project, iterations = state["project"], state["iterations"]
    missing = archive.reasons()
    notes = []
    for iteration in iterations:
        if not is_pulled(iteration):
            reason = f"its status is {iteration['status']}; run the command again when its training has ended"
            missing.append(Missing("iteration", iteration["id"], reason))
            continue
        for part in ("count", "tags"):
            value = archive.document(f"{part}/{iteration['id']}")
            if isinstance(value, dict):
                missing.append(Missing(f"iteration ({part})", iteration["id"], value["refused"]))
        performance = archive.document(f"performance/{iteration['id']}//")
        if performance is not None and "refused" in performance:
            notes.append(f"iteration {iteration['name']!r} has no performance at the service")
    totals = {name: number for name, number in state["counts"].items() if isinstance(number, int)}
    files, _ = archive.file_totals("image")
    pulled = [item for item in iterations if is_pulled(item) and archive.has_document(f"count/{item['id']}")]
    evaluated = {item["id"]: archive.document(f"evaluated/{item['id']}") for item in pulled}
    exports, _ = archive.file_totals("export")
    counts = [
        Counted("images", archive.listed_count(WORKSPACE), totals.get("total", 0)),
        Counted("files of images", files, archive.image_count()),
        Counted("tags", len(archive.document("tags")), len(archive.document("tags"))),
        Counted("iterations", len(pulled), len(iterations)),
        Counted(
            "evaluated images",
            sum(archive.evaluated_count(item["id"]) for item in pulled),
            sum(number for number in evaluated.values() if isinstance(number, int)),
        ),
        Counted("exports", exports, sum(len(value) for _, value in archive.documents("exports/"))),
        Counted("stored predictions", archive.file_totals("prediction")[0], archive.prediction_count()),
    ]
    for item in counts:
        if item.pulled < item.total and not missing and not differences:
            missing.append(
                Missing(item.name, "", f"{item.total - item.pulled} of {item.total} were not listed")
            )
    return Manifest(project["id"], project["name"], counts, missing, differences, notes)
