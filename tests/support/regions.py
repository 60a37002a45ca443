"""Helpers of tests of regions."""

from tests.support.harness import Service


def counts(service: Service, project: str) -> tuple[int, int, dict[str, int]]:
    """Tagged images, untagged images, and the images of each tag by its name."""
    tagged = service.get(f"{project}/images/tagged/count")
    untagged = service.get(f"{project}/images/untagged/count")
    return tagged, untagged, {tag["name"]: tag["imageCount"] for tag in service.get(f"{project}/tags")}


def revision(service: Service) -> int:
    return int(service.rows("SELECT max(revision) FROM project")[0][0])
