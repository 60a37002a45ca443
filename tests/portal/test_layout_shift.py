"""Pages do not jump while their data arrives: the browser's own measure of layout shifts, page by page."""

from __future__ import annotations

import base64

import httpx
import pytest
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from msrest.authentication import ApiKeyCredentials

from tests.support.harness import TRAINING_KEY
from tests.support.live_server import LiveServer
from tests.support.portal import Portal
from tests.support.portal_projects import PhotoProject, photo_project, photograph, train

# The sum of the fractions of the window that moved times how far; up to 0.1 counts as good (web.dev/cls).
BUDGET = 0.05
# An entry may be delivered twice: as a buffered one, and as a new one.
_MEASURE = """
  window.layoutShifts = new Map();
  new PerformanceObserver(list => {
    for (const entry of list.getEntries())
      if (!entry.hadRecentInput)
        window.layoutShifts.set(entry.startTime, [entry.value, entry.sources.map(
          ({node, previousRect: a, currentRect: b}) =>
            `${node?.textContent?.slice(0, 40) || node?.className}: ` +
              `${[a.x, a.y, a.width, a.height]} to ${[b.x, b.y, b.width, b.height]}`)]);
  }).observe({type: "layout-shift", buffered: true});
"""


@pytest.fixture(scope="module")
def project(portal_server: LiveServer) -> PhotoProject:
    """Trained twice, with a test set on which both iterations are evaluated."""
    credentials = ApiKeyCredentials(in_headers={"Training-key": TRAINING_KEY})
    trainer = CustomVisionTrainingClient(portal_server.endpoint, credentials)
    made = photo_project(trainer, "Without jumps")
    later = train(trainer, made.id)
    with httpx.Client(headers={"Training-Key": TRAINING_KEY}, trust_env=False) as client:
        test_sets = f"{portal_server.endpoint}/_emulator/projects/{made.id}/testSets"
        made_set = client.post(test_sets, json={"name": "Another day"}).raise_for_status().json()
        test_set = f"{test_sets}/{made_set['id']}"
        images = [
            {
                "name": f"{number}.jpg",
                "contents": base64.b64encode(photograph("coffee", number)).decode(),
                "tagNames": ["coffee"],
            }
            for number in range(10, 14)
        ]
        client.post(f"{test_set}/images", json={"images": images}).raise_for_status()
        client.post(
            f"{test_set}/evaluations", json={"iterationIds": [made.iteration_id, later]}
        ).raise_for_status()
    return made


@pytest.mark.parametrize(
    "path",
    [
        "projects",
        "projects/{id}/images",
        "projects/{id}/label?status=tagged",
        "projects/{id}/train",
        "projects/{id}/results/{iteration}",
        "projects/{id}/results/{iteration}?tab=matrix",
        "projects/{id}/compare",
        "projects/{id}/testsets",
        "projects/{id}/map",
        "projects/{id}/settings",
        "emulator",
        "emulator?tab=requests",
    ],
)
def test_nothing_jumps_while_a_page_loads(portal: Portal, project: PhotoProject, path: str) -> None:
    portal.page.add_init_script(_MEASURE)
    for width in (1280, 640):
        portal.page.set_viewport_size({"width": width, "height": 800})
        page = portal.open(path.format(id=project.id, iteration=project.iteration_id))
        shifts = page.evaluate("[...window.layoutShifts.values()]")
        largest = sorted(shifts, key=lambda shift: -shift[0])[:3]
        assert sum(value for value, _ in shifts) <= BUDGET, (width, largest)


@pytest.mark.parametrize("width", [1280, 1024, 640, 390])
def test_the_navigation_stays_where_it_is(portal: Portal, project: PhotoProject, width: int) -> None:
    """While the name of the project arrives, and when another page becomes the current one."""
    portal.page.set_viewport_size({"width": width, "height": 800})
    portal.context.add_init_script(_MEASURE)
    places = []
    for path in ("settings", "train"):
        page = portal.open(f"projects/{project.id}/{path}")
        page.get_by_role("heading", level=1).wait_for()
        links = page.get_by_role("navigation", name="Project").get_by_role("link")
        places.append([link.bounding_box() for link in links.all()])
        moved = page.evaluate("[...window.layoutShifts.values()].flatMap(([, sources]) => sources)")
        assert not [
            source for source in moved if source.startswith(("ImagesLabelTrain", "Images:", "Settings"))
        ]
    assert places[0] == places[1]
