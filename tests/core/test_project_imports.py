"""Projects exported and imported by token, within an emulator and between two."""

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.core import archive_format, project_exports
from tests.conftest import Serve
from tests.core.web_servers import Server, Visit
from tests.harness import (
    NOWHERE,
    TRAINING_KEY,
    Service,
    blobs_in,
    expect,
    picture,
    pictures,
    referenced_blobs,
    running_service,
    wait_until,
)
from tests.live_server import LiveServer

DETECTION = "da2e3a8a-40a5-4171-82f4-58522f70fbc1"
INVALID = (400, "BadRequestInvalidImportToken", "Invalid Token")


class Elsewhere:
    """Another emulator, in this process, behind a socket."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.server = Server(self.answer)
        self.break_off: Callable[[Visit, bytes], None] | None = None

    def answer(self, visit: Visit) -> None:
        response = self.service.unjudged("GET", visit.path)
        if self.break_off is not None and project_exports.DATA in visit.path:
            self.break_off(visit, response.content)
        else:
            head = f"HTTP/1.1 {response.status_code} Said\nContent-Length: {len(response.content)}"
            visit.send(head, response.content)

    def token(self, project: str) -> str:
        exported = self.service.get(f"{project}/export", headers={"Host": self.server.allow})
        return str(exported["token"])


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    for source in running_service(tmp_path / "elsewhere"):
        source.clock.advance(microseconds=500)  # else the ids of both would be the same
        source.restart()
        other = Elsewhere(source)
        yield other
        other.server.close()


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Service]:
    yield from running_service(tmp_path / "target", url_allow=("127.0.0.1",))


def run_imports(service: Service) -> None:
    service.context.project_imports.run_waiting()


def start_import(service: Service, token: str, **more: str) -> str:
    """The path of the project that an import has begun to make."""
    made = service.post("/projects/import", params={"token": token, **more})
    assert made["status"] == "Importing"
    return f"/projects/{made['id']}"


def imported(service: Service, token: str) -> str:
    project = start_import(service, token)
    run_imports(service)
    assert service.get(project)["status"] == "Succeeded"
    return project


def content(service: Service, project: str, view: str = "") -> dict[str, Any]:
    """What a client can see of a project, without ids: tags, and images by their bytes."""
    query = f"?iterationId={view}" if view else ""
    tags = {tag["id"]: tag for tag in service.get(f"{project}/tags{query}")}
    images = []
    for image in service.get(
        f"{project}/images", params={"take": "256", **({"iterationId": view} if view else {})}
    ):
        data = service.unjudged("GET", image["originalImageUri"].removeprefix("http://emulator.test")).content
        images.append(
            {
                "bytes": hashlib.sha256(data).hexdigest(),
                "tags": [tags[item["tagId"]]["name"] for item in image.get("tags", [])],
                "regions": [
                    (item["tagName"], item["left"], item["top"], item["width"], item["height"])
                    for item in image.get("regions", [])
                ],
                **{key: image.get(key) for key in ("created", "width", "height", "metadata")},
            }
        )
    facts = sorted((tag["name"], tag["description"], tag["type"], tag["imageCount"]) for tag in tags.values())
    return {"tags": facts, "images": images}


def rich_project(service: Service) -> tuple[str, str]:
    """A trained project whose workspace has changed since; its path and that of the iteration."""
    project, red, blue = service.trainable(description="all there is")
    iteration = service.train(project)
    gone = service.images(project, pictures(2, "green"), red)
    service.delete(f"{project}/images", params={"imageIds": gone[0]})
    service.delete(f"{project}/tags/{blue}")
    kept = service.images(project, [picture(70, "grey")])
    service.post(f"{project}/images/metadata", params={"imageIds": kept[0]}, json={"place": "left"})
    service.tag(project, "new")
    return project, iteration


# --- exporting ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v3.2", "v3.3", "v3.4-preview"])
def test_an_export_counts_and_signs(service: Service, version: str) -> None:
    project, _, _ = service.trainable()
    service.train(project)
    exported = service.get(f"{project}/export", version=version)
    digits = project.split("/")[2].replace("-", "")
    token = exported.pop("token")
    assert token.startswith(
        f"http://emulator.test/prjexp-{digits}/project-export-info?sv=2017-04-17&sr=b&sig="
    )
    assert token.endswith("&se=2026-03-05T05%3A06%3A07Z&sp=r")
    assert exported.pop("estimatedImportTimeInMS") > 0
    assert exported == {"iterationCount": 1, "imageCount": 10, "tagCount": 4, "regionCount": 0}


def test_an_export_waits_for_the_training(service: Service) -> None:
    project, _, _ = service.trainable()
    service.post(f"{project}/train")
    status, code, _ = service.refused("GET", f"{project}/export")
    assert (status, code) == (400, "BadRequestExportWhileTraining")
    service.finish_trainings()
    assert service.get(f"{project}/export")["iterationCount"] == 1


def test_only_what_is_there_can_be_exported(service: Service) -> None:
    assert service.refused("GET", f"/projects/{NOWHERE}/export")[:2] == (404, "NotFoundProject")
    project = service.project()
    assert service.send("GET", f"{project}/export", version="v3.1").status_code == 404
    copy = start_import(service, service.get(f"{project}/export")["token"])
    assert service.refused("GET", f"{copy}/export")[:2] == (400, "BadRequestNotSupported")


# --- importing ----------------------------------------------------------------------------------------------


def test_an_import_answers_at_once(service: Service) -> None:
    project, _, _ = service.trainable()
    token = service.get(f"{project}/export")["token"]
    service.clock.advance(hours=1)
    source = service.get(project)
    made = service.post("/projects/import", params={"token": token})
    assert made["name"] == "project (1)"
    assert made["status"] == "Importing"
    assert made["created"] == made["lastModified"] > source["created"]
    assert made["settings"] == source["settings"]
    assert made["id"] != source["id"]
    assert service.get(f"/projects/{made['id']}/images") == []


@pytest.mark.parametrize(
    ("version", "name"), [("v3.2", "project (1)"), ("v3.3", "mine"), ("v3.4-preview", "mine")]
)
def test_a_copy_can_be_named_since_3_3(service: Service, version: str, name: str) -> None:
    token = service.get(f"{service.project()}/export")["token"]
    made = service.post("/projects/import", version=version, params={"token": token, "name": "mine"})
    assert made["name"] == name


@pytest.mark.parametrize("where", ["here", "there"])
def test_a_copy_is_like_the_original(where: str, elsewhere: Elsewhere, target: Service) -> None:
    source = elsewhere.service
    project, iteration = rich_project(source)
    source.publish(iteration)
    token = elsewhere.token(project)
    if where == "here":
        target = source
    target.clock.advance(hours=2)
    copy = imported(target, token)

    assert content(target, copy) == content(source, project)
    (original,), (twin,) = source.get(f"{project}/iterations"), target.get(f"{copy}/iterations")
    assert content(target, copy, twin["id"]) == content(source, project, original["id"])
    own = {"id", "projectId", "created", "lastModified", "publishName", "originalPublishResourceId"}
    assert {key: value for key, value in twin.items() if key not in own} == {
        key: value for key, value in original.items() if key not in own
    }
    assert twin["id"] != original["id"]
    assert twin["publishName"] is twin["originalPublishResourceId"] is None
    assert twin["created"] == target.get(copy)["created"]
    assert original["publishName"] == "published"

    ids = {item["id"] for item in source.get(f"{project}/images") + source.get(f"{project}/tags")}
    assert ids.isdisjoint(item["id"] for item in target.get(f"{copy}/images") + target.get(f"{copy}/tags"))
    answer = expect(target.predict(target.publish(f"{copy}/iterations/{twin['id']}"), picture(90, "red")))
    tags = target.get(f"{copy}/tags", params={"iterationId": twin["id"]})
    assert answer["predictions"][0]["tagId"] == next(tag["id"] for tag in tags if tag["name"] == "red")
    figures = [
        performance(source, f"{project}/iterations/{original['id']}"),
        performance(target, f"{copy}/iterations/{twin['id']}"),
    ]
    assert figures[0] == figures[1]
    assert target.blobs() == target.referenced_blobs()
    assert target.rows("SELECT count(*) FROM job") == [(0,)]


def performance(service: Service, iteration: str) -> Any:
    found = service.get(f"{iteration}/performance", params={"threshold": "0.5", "overlapThreshold": "0.3"})
    found["perTagPerformance"] = sorted(
        ({key: value for key, value in tag.items() if key != "id"} for tag in found["perTagPerformance"]),
        key=lambda tag: tag["name"],
    )
    return found


def test_a_copy_goes_on_by_itself(service: Service) -> None:
    project, _, _ = service.trainable()
    service.train(project)
    copy = imported(service, service.get(f"{project}/export")["token"])
    assert service.refused("POST", f"{copy}/train")[2] == "Nothing changed since last training"
    red = next(tag["id"] for tag in service.get(f"{copy}/tags") if tag["name"] == "red")
    service.images(copy, pictures(3, "grey"), red)
    again = service.get(service.train(copy))
    assert (again["name"], again["status"]) == ("Iteration 2", "Completed")
    service.delete(project)  # blobs that both have stay
    assert len(service.get(f"{copy}/images")) == 13
    assert service.blobs() == service.referenced_blobs()
    service.delete(copy)
    assert service.blobs() == set()


def test_regions_are_copied(elsewhere: Elsewhere, target: Service) -> None:
    source = elsewhere.service
    project = source.project(domainId=DETECTION)
    fork = source.tag(project, "fork")
    image = source.images(project, [picture(1)], fork)[0]
    box = {"left": 0.1, "top": 0.25, "width": 0.5, "height": 0.125}
    source.post(f"{project}/images/regions", json={"regions": [{"imageId": image, "tagId": fork, **box}]})
    assert source.get(f"{project}/export")["regionCount"] == 1
    copy = imported(target, elsewhere.token(project))
    assert content(target, copy) == content(source, project)
    assert len(target.get(f"{copy}/images")[0]["regions"]) == 1


def test_what_is_being_imported_cannot_be_changed(service: Service) -> None:
    project, _, _ = service.trainable()
    copy = start_import(service, service.get(f"{project}/export")["token"])
    modified = (400, "BadRequestWorkspaceCannotBeModified")
    assert service.refused("POST", f"{copy}/tags", params={"name": "mine"})[:2] == modified
    upload = service.send("POST", f"{copy}/images", content=picture(3), headers={"Content-Type": "image/png"})
    assert upload.json()["code"] == "BadRequestWorkspaceCannotBeModified"
    run_imports(service)
    service.tag(copy, "mine")
    assert service.blobs() == service.referenced_blobs()


def test_two_imports_of_one_token(service: Service) -> None:
    project, _, _ = service.trainable()
    token = service.get(f"{project}/export")["token"]
    copies = [start_import(service, token), start_import(service, token)]
    run_imports(service)
    assert [len(service.get(f"{copy}/images")) for copy in copies] == [10, 10]


# --- tokens -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: "nonsense",
        lambda token: "http://[",
        lambda token: token.partition("&")[0],  # what a client sends that does not encode it
        lambda token: token.replace("sig=", "sig=A"),
        lambda token: token.replace("2026-03-05", "2036-03-05"),
        lambda token: token.replace("/prjexp-", "/prjexp-0"),
        lambda token: token.replace("project-export-info", "project-export-data"),
        lambda token: token.replace("http://", "ftp://"),
        lambda token: f"{token.replace('sig=', 'sig=A')}{'&x=1' * 900}",
    ],
)
def test_a_token_that_is_none_of_ours(service: Service, spoil: Callable[[str], str]) -> None:
    token = spoil(service.get(f"{service.project()}/export")["token"])
    status, code, message = service.refused("POST", "/projects/import", params={"token": token})
    assert (status, code, message[:13]) == INVALID
    assert len(service.get("/projects")) == 1


def test_a_token_is_needed(service: Service) -> None:
    assert service.refused("POST", "/projects/import")[:2] == (400, "BadRequestRequiredParamIsNull")


@pytest.mark.parametrize("where", ["here", "there"])
def test_a_token_expires_after_a_day(where: str, elsewhere: Elsewhere, target: Service) -> None:
    source = elsewhere.service
    project = source.project()
    token = elsewhere.token(project)
    importer = source if where == "here" else target
    if where == "here":
        token = source.get(f"{project}/export")["token"]
    source.clock.advance(hours=23, minutes=59)
    importer.post("/projects/import", params={"token": token})
    source.clock.advance(minutes=2)
    assert importer.refused("POST", "/projects/import", params={"token": token}) == INVALID


def test_a_token_of_a_deleted_project(elsewhere: Elsewhere, target: Service) -> None:
    project = elsewhere.service.project()
    there, here = elsewhere.token(project), elsewhere.service.get(f"{project}/export")["token"]
    elsewhere.service.delete(project)
    assert target.refused("POST", "/projects/import", params={"token": there}) == INVALID
    assert elsewhere.service.refused("POST", "/projects/import", params={"token": here}) == INVALID


def test_only_where_fetching_is_allowed(elsewhere: Elsewhere, service: Service) -> None:
    token = elsewhere.token(elsewhere.service.project())
    status, code, message = service.refused("POST", "/projects/import", params={"token": token})
    assert (status, code) == INVALID[:2]
    assert message == "Invalid Token. The URL points to a private or local address (see --url-allow)."


def test_the_archive_needs_the_signature(service: Service) -> None:
    project, _, _ = service.trainable()
    path = service.get(f"{project}/export")["token"].removeprefix("http://emulator.test")
    archive = path.replace("project-export-info", "project-export-data")
    assert expect(service.request("GET", path, key=None))["image_count"] == 10
    response = service.request("GET", archive, key=None)
    assert response.headers["content-type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(response.content)) as opened:
        assert opened.getnames()[0] == "manifest.json"
        assert len(opened.getnames()) == 11
    for wrong in (
        archive.replace("sig=", "sig=A"),
        archive.partition("?")[0],
        archive.replace("se=2026", "se=2027"),
    ):
        assert service.request("GET", wrong, key=None).status_code == 403
    assert service.request("GET", archive.replace("-data", "-else"), key=None).status_code == 404
    service.clock.advance(hours=25)
    assert service.request("GET", archive, key=None).status_code == 403


# --- interruptions ------------------------------------------------------------------------------------------


def test_an_import_outlives_the_process(elsewhere: Elsewhere, target: Service) -> None:
    project, _ = rich_project(elsewhere.service)
    copy = start_import(target, elsewhere.token(project))
    target.restart()
    assert target.get(copy)["status"] == "Importing"
    run_imports(target)
    assert target.get(copy)["status"] == "Succeeded"
    assert content(target, copy) == content(elsewhere.service, project)


def test_an_import_that_the_end_interrupts_is_begun_again(elsewhere: Elsewhere, target: Service) -> None:
    project, _ = rich_project(elsewhere.service)
    copy = start_import(target, elsewhere.token(project))

    def stop_halfway(visit: Visit, archive: bytes) -> None:
        visit.send(f"HTTP/1.1 200 OK\nContent-Length: {len(archive)}", archive[: len(archive) // 2])
        target.context.project_imports.stop()
        visit.connection.sendall(archive[len(archive) // 2 :])

    elsewhere.break_off = stop_halfway
    run_imports(target)
    assert target.get(copy)["status"] == "Importing"
    assert target.get(f"{copy}/images") == target.get(f"{copy}/tags") == []
    elsewhere.break_off = None
    target.restart()
    run_imports(target)
    assert content(target, copy) == content(elsewhere.service, project)
    assert target.blobs() == target.referenced_blobs()


def test_a_transfer_that_breaks_off_is_tried_again_and_then_fails(
    elsewhere: Elsewhere, target: Service
) -> None:
    project, _, _ = elsewhere.service.trainable()
    copy = start_import(target, elsewhere.token(project))
    times = []

    def cut(visit: Visit, archive: bytes) -> None:
        times.append(1)
        visit.send(f"HTTP/1.1 200 OK\nContent-Length: {len(archive)}", archive[:-2000])

    elsewhere.break_off = cut
    run_imports(target)
    assert len(times) == 3
    assert target.get(copy)["status"] == "Failed"
    nothing_is_left(target, copy)


def test_an_import_into_a_deleted_project_stops(elsewhere: Elsewhere, target: Service) -> None:
    project, _, _ = elsewhere.service.trainable()
    copy = start_import(target, elsewhere.token(project))

    def delete_halfway(visit: Visit, archive: bytes) -> None:
        visit.send(f"HTTP/1.1 200 OK\nContent-Length: {len(archive)}", archive[: len(archive) // 2])
        target.delete(copy)
        visit.connection.sendall(archive[len(archive) // 2 :])

    elsewhere.break_off = delete_halfway
    run_imports(target)
    assert target.get("/projects") == []
    assert target.blobs() == set()
    assert target.rows("SELECT count(*) FROM job") == [(0,)]


def test_a_source_that_is_deleted_before_the_copy_begins(service: Service) -> None:
    project, _, _ = service.trainable()
    copy = start_import(service, service.get(f"{project}/export")["token"])
    service.delete(project)
    run_imports(service)
    assert service.get(copy)["status"] == "Failed"
    service.delete(copy)


def test_why_an_import_failed_can_be_asked(elsewhere: Elsewhere, target: Service) -> None:
    def listed() -> Any:
        return expect(target.request("GET", "/_emulator/imports"))

    assert target.request("GET", "/_emulator/imports", key=None).status_code == 401
    assert listed() == []
    project, _, _ = elsewhere.service.trainable()
    copy = start_import(target, elsewhere.token(project))
    waiting = {"projectId": copy.rpartition("/")[2], "name": "project (1)", "status": "Importing"}
    assert listed() == [waiting | {"attempts": 0, "reason": None}]
    elsewhere.service.delete(project)
    run_imports(target)
    (failed,) = listed()
    assert failed["reason"] and "404" in failed["reason"]
    assert failed == waiting | {"status": "Failed", "attempts": 1, "reason": failed["reason"]}
    # It stays as long as the project, and nobody begins it again.
    target.restart()
    run_imports(target)
    assert listed() == [failed]
    target.delete(copy)
    assert listed() == []
    assert target.rows("SELECT count(*) FROM job") == [(0,)]


def test_reset_ends_imports(service: Service) -> None:
    project, _, _ = service.trainable()
    start_import(service, service.get(f"{project}/export")["token"])
    assert service.request("POST", "/_emulator/reset").status_code == 204
    run_imports(service)
    assert service.get("/projects") == []
    assert service.blobs() == set()


def nothing_is_left(service: Service, project: str) -> None:
    assert service.get(f"{project}/images") == service.get(f"{project}/tags") == []
    assert service.get(f"{project}/iterations") == []
    assert service.blobs() == set()
    for table in ("image", "image_tag", "region", "tag", "iteration"):
        assert service.rows(f"SELECT count(*) FROM {table}") == [(0,)], table


# --- archives that lie --------------------------------------------------------------------------------------

Files = dict[str, bytes]


def packed(files: Files, **oddity: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.type = oddity.get("type", tarfile.REGTYPE)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def unpacked(archive: bytes) -> Files:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {member.name: opened.extractfile(member).read() for member in opened}  # type: ignore[union-attr]


def with_manifest(change: Callable[[dict[str, Any]], object]) -> Callable[[Files], bytes]:
    def spoil(files: Files) -> bytes:
        manifest = orjson.loads(files["manifest.json"])
        change(manifest)
        return packed({**files, "manifest.json": orjson.dumps(manifest)})

    return spoil


def replaced(kind: str) -> Callable[[Files], bytes]:
    """An archive in which an image or the model is something else, honestly announced."""

    def spoil(files: Files) -> bytes:
        manifest = orjson.loads(files["manifest.json"])
        old = manifest["images"][0]["blob"] if kind == "image" else manifest["iterations"][0]["model"]
        new = hashlib.sha256(b"something else").hexdigest()
        text = files["manifest.json"].decode().replace(old, new)
        changed = orjson.loads(text)
        changed["blobs"][new] = len(b"something else")
        result = {"manifest.json": orjson.dumps(changed)}
        for digest in changed["blobs"]:
            result[f"blobs/{digest}"] = files.get(f"blobs/{digest}", b"something else")
        return packed(result)

    return spoil


LIES: dict[str, Callable[[Files], bytes]] = {
    "empty": lambda files: b"",
    "no tar": lambda files: b"<html>" * 1000,
    "zeros": lambda files: bytes(5000),
    "cut": lambda files: packed(files)[:3000],
    "no manifest": lambda files: packed({name: files[name] for name in list(files)[1:]}),
    "links": lambda files: packed(files, type=tarfile.SYMTYPE),
    "a name that climbs": lambda files: packed(
        {"manifest.json": files["manifest.json"], "../../blobs/x": b"climbed"}
    ),
    "wrong bytes": lambda files: packed(
        {name: data[::-1] if "blobs" in name else data for name, data in files.items()}
    ),
    "more bytes": lambda files: packed(
        {name: data + b"x" if "blobs" in name else data for name, data in files.items()}
    ),
    "a manifest that is no JSON": lambda files: packed({**files, "manifest.json": b"{" * 100}),
    "a manifest of another kind": lambda files: packed({**files, "manifest.json": b"[]"}),
    "an unknown version": with_manifest(lambda manifest: manifest.update(version=2)),
    "more than is known": with_manifest(lambda manifest: manifest.update(surprise=1)),
    "an unknown domain": with_manifest(lambda manifest: manifest["project"].update(domain_id=NOWHERE)),
    "a tag that is not there": with_manifest(
        lambda manifest: manifest["images"][0]["tags"][0].update(tag=99)
    ),
    "a negative place": with_manifest(lambda manifest: manifest["images"][0]["tags"][0].update(tag=-1)),
    "two tags twice": with_manifest(
        lambda manifest: manifest["images"][0]["tags"].append(manifest["images"][0]["tags"][0])
    ),
    "an image twice": with_manifest(lambda manifest: manifest["images"].append(manifest["images"][0])),
    "another size": with_manifest(lambda manifest: manifest["images"][0].update(width=7)),
    "a name of a file as a digest": with_manifest(
        lambda manifest: manifest["images"][0].update(blob="../../etc")
    ),
    "a digest that is not announced": with_manifest(lambda manifest: manifest["blobs"].popitem()),
    "a terabyte": with_manifest(
        lambda manifest: manifest["blobs"].update({next(iter(manifest["blobs"])): 2**40})
    ),
    "a revision of the future": with_manifest(lambda manifest: manifest["tags"][0].update(born=10**6)),
    "gone before it came": with_manifest(lambda manifest: manifest["tags"][0].update(removed=0)),
    "fewer outputs than the model has": with_manifest(
        lambda manifest: manifest["iterations"][0]["model_tags"].pop()
    ),
    "something that is no image": replaced("image"),
    "something that is no model": replaced("model"),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_archive_that_lies_leaves_nothing(lie: str, elsewhere: Elsewhere, target: Service) -> None:
    project, _, _ = elsewhere.service.trainable()
    elsewhere.service.train(project)
    copy = start_import(target, elsewhere.token(project))
    elsewhere.break_off = lambda visit, archive: visit.send_body(LIES[lie](unpacked(archive)))
    run_imports(target)
    assert target.get(copy)["status"] == "Failed"
    nothing_is_left(target, copy)


def test_packing_again_changes_nothing(elsewhere: Elsewhere, target: Service) -> None:
    """The lies are told in archives that are good otherwise."""
    project, _, _ = elsewhere.service.trainable()
    elsewhere.service.train(project)
    copy = start_import(target, elsewhere.token(project))
    elsewhere.break_off = lambda visit, archive: visit.send_body(
        with_manifest(lambda manifest: None)(unpacked(archive))
    )
    run_imports(target)
    assert content(target, copy) == content(elsewhere.service, project)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"format":"custom-vision-emulator-project","version":9}', b"x" * 70000]
)
def test_a_host_that_is_no_emulator(body: bytes, elsewhere: Elsewhere, target: Service) -> None:
    token = elsewhere.token(elsewhere.service.project())
    with Server(lambda visit: visit.send_body(body)) as server:
        token = token.replace(elsewhere.server.allow, server.allow)
        status, code, message = target.refused("POST", "/projects/import", params={"token": token})
    assert (status, code) == INVALID[:2]
    assert message.startswith("Invalid Token. ")
    assert target.get("/projects") == []


@given(sizes=st.lists(st.integers(1, 700), min_size=1, max_size=20))
def test_an_archive_may_arrive_in_any_pieces(sizes: list[int]) -> None:
    contents = {hashlib.sha256(data).hexdigest(): data for data in (b"", b"a" * 511, b"b" * 512, b"c" * 513)}
    images = [
        {"born": 1, "removed": None, "blob": digest, "width": 1, "height": 1, "created": 5}
        | {"metadata": {"key": "value"}, "tags": [], "regions": []}
        for digest in contents
    ]
    project = {"name": "n", "description": "", "domain_id": "d", "classification_type": "Multilabel"}
    project |= {"target_export_platforms": [], "use_negative_set": True, "detection_parameters": None}
    manifest = archive_format.Manifest.model_validate(
        {
            "format": archive_format.FORMAT,
            "version": 1,
            "project": project | {"augmentation_methods": {}, "revision": 1, "next_iteration": 1},
            "tags": [],
            "images": images,
            "iterations": [],
            "blobs": {digest: len(data) for digest, data in contents.items()},
        }
    )
    archive = b"".join(archive_format.write(manifest, contents.__getitem__))
    pieces, start = [], 0
    while start < len(archive):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(archive[start : start + size])
        start += size
    reader = archive_format.Reader(pieces)
    assert reader.manifest() == manifest
    assert dict(reader.blobs(manifest)) == contents


# --- live servers -------------------------------------------------------------------------------------------


def test_between_two_servers_by_the_sdk_although_one_is_killed(serve: Serve, tmp_path: Path) -> None:
    from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
    from msrest.authentication import ApiKeyCredentials

    def client(server: LiveServer) -> Any:
        credentials = ApiKeyCredentials(in_headers={"Training-key": TRAINING_KEY})
        return CustomVisionTrainingClient(server.endpoint, credentials)

    source = serve(data=tmp_path / "source")
    project = source.trainable(per_tag=32)
    exported = client(source).export_project(project.split("/")[2])
    assert (exported.image_count, exported.tag_count, exported.iteration_count) == (64, 2, 0)

    target = serve("--url-allow", "127.0.0.1", data=tmp_path / "target")
    made = client(target).import_project(exported.token, name="copy")
    assert (made.name, made.status) == ("copy", "Importing")
    target.kill()
    target = serve("--url-allow", "127.0.0.1", data=tmp_path / "target")
    copy = f"/projects/{made.id}"
    wait_until(lambda: target.get(copy)["status"] != "Importing", "the end of the import")
    assert target.get(copy)["status"] == "Succeeded"
    assert target.get(f"{copy}/images/tagged/count") == 64
    assert target.terminate() == 0
    assert blobs_in(tmp_path / "target") == referenced_blobs(tmp_path / "target")
