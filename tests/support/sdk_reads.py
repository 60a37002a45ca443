"""Calls of Microsoft's SDK that read, and their results."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit


def reads(client: Any, project_id: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every call of the SDK that reads, for the workspace and for each iteration."""
    iterations = client.get_iterations(project_id)
    yield "domains", client.get_domains
    yield "projects", client.get_projects
    yield "project", partial(client.get_project, project_id)
    yield "iterations", partial(client.get_iterations, project_id)
    yield "predictions", partial(client.query_predictions, project_id, {"order_by": "Newest"})
    for view in (None, *(iteration.id for iteration in iterations)):
        of_view = {"iteration_id": view}
        yield f"tags {view}", partial(client.get_tags, project_id, **of_view)
        tags = client.get_tags(project_id, **of_view)
        yield f"tag {view}", partial(client.get_tag, project_id, tags[0].id, **of_view)
        for order in ("Newest", "Oldest"):
            for name in ("get_images", "get_tagged_images", "get_untagged_images"):
                yield (
                    f"{name} {order} {view}",
                    partial(getattr(client, name), project_id, order_by=order, take=256, **of_view),
                )
        for name in ("get_image_count", "get_tagged_image_count", "get_untagged_image_count"):
            yield f"{name} {view}", partial(getattr(client, name), project_id, **of_view)
        ids = [image.id for image in client.get_images(project_id, take=3, **of_view)]
        yield f"images by id {view}", partial(client.get_images_by_ids, project_id, image_ids=ids, **of_view)
    for iteration in iterations:
        place = project_id, iteration.id
        yield f"iteration {iteration.id}", partial(client.get_iteration, *place)
        for threshold, overlap in ((None, None), (0.05, 0.3), (0.5, 0.3), (0.9, 0.75)):
            yield (
                f"performance {threshold} {iteration.id}",
                partial(
                    client.get_iteration_performance, *place, threshold=threshold, overlap_threshold=overlap
                ),
            )
        yield f"evaluated {iteration.id}", partial(client.get_image_performances, *place, take=256)
        yield f"number of evaluated {iteration.id}", partial(client.get_image_performance_count, *place)
        yield f"exports {iteration.id}", partial(client.get_exports, *place)


def without_hosts(value: Any) -> Any:
    """A result of the SDK with the paths of its URIs alone."""
    if isinstance(value, dict):
        return {
            name: urlsplit(item).path if name.endswith("_uri") and item else without_hosts(item)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [without_hosts(item) for item in value]
    return without_hosts(value.as_dict()) if hasattr(value, "as_dict") else value
