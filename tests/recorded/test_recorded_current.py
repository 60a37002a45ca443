"""Responses of the service's newest versions against the emulator's, in the same situations.

The rows are those of the recording of the official .NET SDK's own tests where that is present, else those of
`facts.toml`, which states what the recording shows. A live emulator is brought into each situation once and
gets the same requests, and its responses are compared: status, headers, order of properties, null against
absent, how values are written (`comparison`). Every difference is listed in `gaps` with its reason; a listed
difference that no longer occurs fails its test, so that the list stays true.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from PIL import Image

from tests.recorded.comparison import (
    GUID,
    References,
    compact,
    differences,
    has_fixed_length,
    header_differences,
    parsed,
)
from tests.recorded.gaps import GAPS, MOST
from tests.recorded.rows import Recorded, domain_ids, rows
from tests.sdk.live import TAGS, picture
from tests.support import coverage_evidence
from tests.support.detection import detection_project, region, upload
from tests.support.harness import (
    PREDICTION_KEY,
    RESOURCE_ID,
    Service,
    expect,
    files_body,
    test_settings,
    wait_until,
)
from tests.support.live_server import LiveServer

SERVED = (
    "https://raw.githubusercontent.com/Microsoft/Cognitive-CustomVision-Windows/master/Samples/Images/Test"
)
PUBLISHED = "Training UnitTest Iteration"
PUBLISHED_DETECTOR = "Training Obj Detection UnitTest Iteration"
ANOTHER = "another project"

# Width and height of the images of the recorded projects, oldest first; the first half has Tag1.
SIZES = [(900, 1600)] * 5 + [(900, 900), (900, 1600), (900, 1600), (1600, 900), (900, 1600)]


ROWS = rows()


# --- the situations -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Replayed:
    """A response of the emulator, and the ids that are known to correspond to recorded ones."""

    response: httpx.Response
    references: References


class Player:
    """Sends the recorded requests to an emulator."""

    def __init__(self, server: LiveServer, replayed: dict[int, Replayed]) -> None:
        self.server = server
        self.replayed = replayed

    def send(self, number: int, ids: dict[str, str], query: str | None = None) -> httpx.Response:
        """Send the request of line `number`, with ids of the emulator in place of the recorded `ids`.

        `query` replaces a recorded query without a usable value.
        """
        row, references = ROWS[number], References({one: one for one in domain_ids(ROWS)} | ids)
        url = self.server.endpoint + references.translated(row.path)
        if row.query:
            url += f"?{query or references.translated(row.query)}"
        body = None if row.body is None else references.translated(compact(row.body)).encode()
        headers = {"Content-Type": "application/json", "Prediction-Key": PREDICTION_KEY}
        response = self.server.client.request(row.method, url, content=body, headers=headers)
        self.replayed[number] = Replayed(response, references)
        return response


def id_in(path: str, collection: str) -> str:
    """The id after ``/<collection>/`` in a path."""
    found = re.search(f"/{collection}/({GUID})", path)
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Replayed]:
    """The responses by line of the recording."""
    served = tmp_path_factory.mktemp("served")
    (served / "test_image.jpg").write_bytes(picture(TAGS[0], 1000))
    data, url_map = tmp_path_factory.mktemp("data"), f"{SERVED}={served}"
    replayed: dict[int, Replayed] = {}
    for play in (play_most, play_trainings):
        server = LiveServer(data, "--url-map", url_map)
        try:
            play(Player(server, replayed))
        finally:
            server.kill()
    with_detector = tmp_path_factory.mktemp("detector")
    project = make_detector(with_detector)
    server = LiveServer(with_detector, "--url-map", url_map)
    try:
        Player(server, replayed).send(11, {id_in(ROWS[11].path, "prediction"): project})
    finally:
        server.kill()
    return replayed


def play_most(player: Player) -> None:
    """Create all situations but one and send the requests. Numbers are lines of the recording."""
    server = player.server
    for number in (18, 19):
        player.send(number, {})

    # The recorded projects were in the same situation: one project represents all of them.
    name = ROWS[14].response["name"].removesuffix(" (1)")  # the original of the recorded import
    project = make_project(server, name, [tag["name"] for tag in ROWS[16].response])
    path = f"/projects/{project}"
    for number in (0, 2, 3, 9, 16):
        player.send(number, {id_in(ROWS[number].path, "projects"): project})

    newest = server.get(f"{path}/images", params={"take": 1})[0]["id"]
    # The image that line 0 lists, and the first that line 9 lists.
    for number, listing in ((1, 0), (10, 9)):
        image = {ROWS[listing].response[0]["id"]: newest}
        player.send(number, {id_in(ROWS[number].path, "projects"): project, **image})

    iteration = server.post(f"{path}/train")["id"]
    server.wait_for_training(path, iteration)
    server.post(f"{path}/iterations/{iteration}/publish?publishName={PUBLISHED}&predictionId={RESOURCE_ID}")
    player.send(12, {id_in(ROWS[12].path, "prediction"): project})

    token = player.send(13, {id_in(ROWS[13].path, "projects"): project}).json()["token"]
    copy = player.send(14, {}, query=f"token={quote(token, safe='')}").json()["id"]
    wait_until(lambda: server.get(f"/projects/{copy}")["status"] == "Succeeded", "the end of an import")
    for number in (15, 17):
        player.send(number, {ROWS[14].response["id"]: copy})
    assert server.client.delete(f"/projects/{copy}").status_code == 204
    make_project(server, ANOTHER, ["a", "b"])


def play_trainings(player: Player) -> None:
    """A second training that is still queued, in a new process on the same data.

    Trainings run one after the other. This one waits for that of another project, which in turn waits for
    a new worker process.
    """
    server = player.server
    another, project = server.get("/projects")
    assert another["name"] == ANOTHER
    blocking = server.post(f"/projects/{another['id']}/train")["id"]
    [base] = server.get(f"/projects/{project['id']}/iterations")
    ids = {
        id_in(ROWS[4].path, "projects"): project["id"],
        ROWS[4].body["customBaseModelInfo"]["iterationId"]: base["id"],
    }
    ids[ROWS[4].response["id"]] = player.send(4, ids).json()["id"]
    for number in (5, 6, 7, 8):
        player.send(number, ids)
    waited_for = server.get(f"/projects/{another['id']}/iterations/{blocking}")
    assert waited_for["status"] == "Training", "it ended too soon"


def make_detector(folder: Path) -> str:
    """The id of a project with a published detector of the recorded tags, in the data folder.

    It finds the recorded number of objects of each tag in any image.
    """
    service = Service(test_settings(folder))
    try:
        project = detection_project(service)
        tags = [service.tag(project, name) for name in ("fork", "scissors")]
        regions = [[region(tag) for tag in tags]] * len(SIZES) * 2
        images = [picture(TAGS[0], number) for number in range(len(regions))]
        expect(upload(service, project, images, *regions))
        service.publish(service.train(project), PUBLISHED_DETECTOR)
    finally:
        service.end()
    return project.rpartition("/")[2]


def make_project(server: LiveServer, name: str, tag_names: list[str]) -> str:
    """The id of a project with images of SIZES, other ones in each project, and two tags with half of them.

    The tags are listed in the order of `tag_names`.
    """
    project: str = server.post("/projects", params={"name": name})["id"]
    path = f"/projects/{project}"
    # Tags are listed by id, and ids are random: the names are assigned in the order of the ids.
    for number in range(len(tag_names)):
        server.post(f"{path}/tags", params={"name": f"to be named {number}"})
    listed = [tag["id"] for tag in server.get(f"{path}/tags")]
    for tag_id, tag_name in zip(listed, tag_names, strict=True):
        server.client.patch(f"{path}/tags/{tag_id}", json={"name": tag_name, "type": "Regular"})
    older, newer = sorted(zip(tag_names, listed, strict=True))
    for number, size in enumerate(SIZES):
        kind = number // (len(SIZES) // 2)
        tag_id = (older, newer)[kind][1]
        image = picture(TAGS[kind], number + 100 * len(name), size)
        server.post(f"{path}/images/files", json=files_body([image], [tag_id]))
    return project


# --- the comparison -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_response_equals_the_recorded_one(replayed: dict[int, Replayed], row: Recorded) -> None:
    response, references = replayed[row.number].response, replayed[row.number].references
    found = [] if response.status_code == row.status else [f"status: {response.status_code}"]
    is_picture = row.operation == "GetArtifact"
    same_length = not is_picture and has_fixed_length(row.response)
    found += header_differences(row.headers, response.headers, response.content, same_length=same_length)
    given = described(response.content, row.response) if is_picture else parsed(response.text)
    if row.number == 9:
        given = given[: len(row.response)]  # the recording of this list was cut short
    copy = References(dict(references.ids))
    found += differences(row.response, given, copy)

    gaps = GAPS.get(row.number, {})
    unexpected = [line for line in found if not line.startswith(tuple(gaps))]
    assert not unexpected, "\n".join(unexpected)
    closed = [place for place in gaps if not any(line.startswith(place) for line in found)]
    assert not closed, f"no longer differs, take it out of GAPS: {closed}"
    api, version = row.address
    coverage_evidence.note(api, version, row.operation, coverage_evidence.RECORDED)


def test_gaps_are_few_and_belong_to_existing_responses() -> None:
    assert sum(len(places) for places in GAPS.values()) <= MOST
    assert GAPS.keys() <= {row.number for row in ROWS}


def described(picture: bytes, recorded: str) -> str:
    """A binary image as the recording describes it; the length is that of another image."""
    length = recorded.split()[1]
    with Image.open(BytesIO(picture)) as image:
        kind = "progressive" if image.info.get("progressive") else "baseline"
        return f"<{image.format} {length} bytes, {image.width}x{image.height} {kind} JFIF>"


@pytest.mark.parametrize("operation", ["GetDomains", "GetDomain"])
def test_domains_are_equal_byte_by_byte(replayed: dict[int, Replayed], operation: str) -> None:
    [row] = [row for row in ROWS if row.operation == operation]
    assert replayed[row.number].response.text == compact(row.response)
    assert replayed[row.number].response.headers["Content-Length"] == row.headers["Content-Length"]
