"""The command `watch`: each picture once, over kills, unfinished files, and a server that is away."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from emulator.cli.factory.watching.delivery import Delivery
from emulator.cli.factory.watching.pictures import PictureFolder, move
from emulator.cli.factory.watching.results import Picture, Position, Results, ResultsDamaged
from tests.support.harness import PATIENCE_SECONDS, PREDICTION_KEY, RESOURCE_ID, wait_until
from tests.support.images import picture, pictures
from tests.support.live_server import LiveServer
from tests.support.program import PROGRAM, clean_environment, posix_only, run

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
# Pictures and kills of the test with kills; the acceptance test has 1000 and 20.
PICTURES, KILLS = int(os.environ.get("PICTURES", "30")), int(os.environ.get("KILLS", "2"))


class Emulator:
    """Answers like an emulator with one published classifier, and counts what it was asked.

    answer: status and body of predictions. gone: no answer at all.
    """

    def __init__(self) -> None:
        self.scored: Counter[str] = Counter()
        self.hooks: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.answer: tuple[int, dict[str, Any]] | None = None
        self.when_scored: Callable[[int], None] = lambda _: None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                if self.path.endswith("/projects"):
                    self._send(200, [{"id": "p", "name": "parts", "settings": {"domainId": "d"}}])
                else:
                    self._send(200, {"id": "d", "type": "Classification"})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/hook?a=b":
                    outer.hooks.append(json.loads(body))
                    self._send(200, {})
                    return
                assert self.path.startswith("/customvision/v3.1/prediction/p/classify/iterations/live/image")
                outer.keys.add(self.headers["Prediction-Key"])
                outer.scored[str(self.headers["X-Emulator-Request-Id"])] += 1
                outer.when_scored(len(outer.scored))
                best = {"tagName": "ok", "probability": 0.9}
                result = {"id": "i", "project": "p", "iteration": "t", "predictions": [best]}
                status, answer = outer.answer or (200, result)
                self._send(status, answer)

            def _send(self, status: int, answer: Any) -> None:
                content = json.dumps(answer).encode()
                with suppress(OSError):
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def watch(self, folder: Path, *arguments: str) -> list[str]:
        where = ["--port", str(self.port), "--project", "parts", "--published", "live", "--settle", "0"]
        return ["watch", str(folder), *where, "--interval", "0.02", *arguments]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    made = Emulator()
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "camera"
    made.mkdir()
    return made


def write(folder: Path, number: int, first: int = 0) -> None:
    for index in range(first, first + number):
        (folder / f"{index:04}.jpg").write_bytes(f"picture {index}".encode())


def lines(results: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(results.glob("*.jsonl")):
        # The last line may be being written.
        found += [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
    return found


def rows(results: Path) -> list[dict[str, str]]:
    found = []
    for path in sorted(results.glob("*.csv")):
        with path.open(newline="") as file:
            found += list(csv.DictReader(file))
    return found


class Watching:
    """The command in a process of its own."""

    def __init__(self, arguments: list[str]) -> None:
        self.process = subprocess.Popen(
            [*PROGRAM, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment(),
        )

    def end(self, kill: bool = False) -> tuple[int, str]:
        self.process.kill() if kill else self.process.terminate()
        _, errors = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, errors


def test_pictures_are_scored_once_with_results_as_lines_and_csv(emulator: Emulator, folder: Path) -> None:
    write(folder, 3)
    (folder / "day").mkdir()
    write(folder / "day", 1)
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.jpg").write_text("no picture")
    for _ in range(2):
        ran = run(*emulator.watch(folder, "--once"))
        assert (ran.returncode, ran.stderr) == (0, "")
    found = lines(folder / "results")
    assert sorted(one["file"] for one in found) == ["0000.jpg", "0001.jpg", "0002.jpg", "day/0000.jpg"]
    assert {(one["status"], one["tag"], one["probability"]) for one in found} == {("scored", "ok", 0.9)}
    assert [(one["file"], one["predictionId"]) for one in rows(folder / "results")] == [
        (one["file"], "i") for one in found
    ]
    assert list(emulator.scored.values()) == [1] * 4
    assert emulator.keys == {PREDICTION_KEY}


def test_a_refused_picture_has_a_line_with_the_reason_and_is_not_sent_again(
    emulator: Emulator, folder: Path
) -> None:
    emulator.answer = 400, {"code": "BadRequestImageFormat", "message": "Bad Request Image Format"}
    write(folder, 1)
    for _ in range(2):
        assert run(*emulator.watch(folder, "--once", "--move", str(folder / "done"))).returncode == 0
    (line,) = lines(folder / "results")
    assert (line["status"], line["error"]) == ("refused", "Bad Request Image Format")
    assert len(emulator.scored) == 1
    assert (folder / "done" / "refused" / "0000.jpg").exists()


def test_pictures_are_moved_to_the_folder_of_their_tag_and_names_are_kept_apart(
    emulator: Emulator, folder: Path, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    for content in (b"first", b"second"):
        (folder / "a.jpg").write_bytes(content)
        assert run(*emulator.watch(folder, "--once", "--move", str(done))).returncode == 0
    moved = {path.name: path.read_bytes() for path in (done / "ok").iterdir()}
    assert moved == {"a.jpg": b"first", "a-2.jpg": b"second"}
    assert not (folder / "a.jpg").exists()


def test_it_waits_for_a_server_and_a_name_and_fails_with_once(emulator: Emulator, folder: Path) -> None:
    emulator.answer = 404, {"code": "NotFoundIteration", "message": "Invalid iteration"}
    write(folder, 2)
    refused = run(*emulator.watch(folder, "--once"))
    assert (refused.returncode, refused.stderr) == (1, "custom-vision-emulator: Invalid iteration\n")
    watching = Watching(emulator.watch(folder))
    wait_until(lambda: sum(emulator.scored.values()) >= 3, "two attempts")
    emulator.answer = None
    wait_until(lambda: len(lines(folder / "results")) == 2, "the results")
    write(folder, 1, first=2)
    wait_until(lambda: len(lines(folder / "results")) == 3, "the result of a new picture")
    status, errors = watching.end()
    assert (status, errors) == (0, "waiting: Invalid iteration\n")


def test_each_result_is_sent_to_the_webhook_in_order(emulator: Emulator, folder: Path) -> None:
    write(folder, 2)
    url = f"http://127.0.0.1:{emulator.port}/hook?a=b"
    for number in (2, 3):
        assert run(*emulator.watch(folder, "--once", "--webhook", url)).returncode == 0
        write(folder, 1, first=number)
    assert emulator.hooks == lines(folder / "results")
    assert [hook["file"] for hook in emulator.hooks] == ["0000.jpg", "0001.jpg", "0002.jpg"]


def test_results_that_are_not_accepted_are_sent_by_the_next_run(emulator: Emulator, folder: Path) -> None:
    write(folder, 1)
    url = f"http://127.0.0.1:{emulator.port}/hook?a=b"
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    refused = run(*emulator.watch(folder, "--once", "--webhook", nowhere))
    assert refused.returncode == 1
    assert "not all results were sent: the webhook does not answer" in refused.stderr
    assert run(*emulator.watch(folder, "--once", "--webhook", url)).returncode == 0
    assert emulator.hooks == lines(folder / "results")
    assert len(emulator.scored) == 1


class Broker:
    """Accepts connections as an MQTT broker does, and confirms what is published."""

    def __init__(self) -> None:
        self.published: list[tuple[str, dict[str, Any]]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, connection.makefile("rb") as read:
                    while self._packet(connection, read):
                        pass

    def _packet(self, connection: socket.socket, read: Any) -> bool:
        """Answer a packet; False when the connection ends."""
        kind = read.read(1)
        if not kind:
            return False
        size = shift = 0
        while True:
            byte = read.read(1)[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        body = read.read(size)
        if kind[0] >> 4 == 1:  # CONNECT
            connection.sendall(b"\x20\x02\x00\x00")
        elif kind[0] >> 4 == 3:  # PUBLISH
            length = int.from_bytes(body[:2], "big")
            topic, number, text = body[2 : 2 + length], body[2 + length : 4 + length], body[4 + length :]
            self.published.append((topic.decode(), json.loads(text)))
            connection.sendall(b"\x40\x02" + number)
        return kind[0] >> 4 != 14  # DISCONNECT


def test_each_result_is_published_to_a_broker(emulator: Emulator, folder: Path) -> None:
    write(folder, 2)
    broker = Broker()
    try:
        url = f"mqtt://user:word@127.0.0.1:{broker.port}/line%201/results"
        ran = run(*emulator.watch(folder, "--once", "--mqtt", url))
        assert (ran.returncode, ran.stderr) == (0, "")
    finally:
        broker.close()
    assert broker.published == [("line 1/results", line) for line in lines(folder / "results")]


def test_mistakes_are_one_line(emulator: Emulator, folder: Path, tmp_path: Path) -> None:
    def refused(*arguments: str) -> str:
        ran = run(*arguments)
        assert ran.returncode == 1
        (line,) = ran.stderr.splitlines()
        return line.removeprefix("custom-vision-emulator: ")

    assert refused(*emulator.watch(tmp_path / "absent")).startswith("there is no folder")
    assert "--webhook" in refused(*emulator.watch(folder, "--webhook", "nowhere"))
    assert "--mqtt" in refused(*emulator.watch(folder, "--mqtt", "mqtt://host"))
    write(folder, 1)
    assert "there is no project 'other'" in refused(*emulator.watch(folder, "--once", "--project", "other"))
    Results(folder / "results").add(Picture("a", 1, 1), {"tag": "ok", "status": "scored"}, NOON)
    path = next((folder / "results").glob("*.jsonl"))
    path.write_bytes(b"damaged\n" + path.read_bytes())
    assert "is damaged before byte 8" in refused(*emulator.watch(folder, "--once"))


@posix_only
@pytest.mark.slow
def test_kills_leave_each_picture_with_one_result(emulator: Emulator, folder: Path, tmp_path: Path) -> None:
    write(folder, PICTURES)
    done, due = tmp_path / "done", threading.Event()
    for kill in range(KILLS):
        due.clear()
        target = (kill + 1) * PICTURES // (KILLS + 1)
        emulator.when_scored = lambda number, target=target: due.set() if number >= target else None  # type: ignore[misc]
        watching = Watching(emulator.watch(folder, "--move", str(done)))
        assert due.wait(PATIENCE_SECONDS)
        watching.end(kill=True)
    assert run(*emulator.watch(folder, "--once", "--move", str(done))).returncode == 0
    found = lines(folder / "results")
    assert Counter(one["file"] for one in found) == dict.fromkeys(
        (f"{index:04}.jpg" for index in range(PICTURES)), 1
    )
    assert [one["file"] for one in rows(folder / "results")] == [one["file"] for one in found]
    assert len(list((done / "ok").iterdir())) == PICTURES
    # A request that is repeated has the same id, so that the emulator stores one prediction.
    assert len(emulator.scored) == PICTURES


@pytest.mark.slow
def test_results_are_stored_predictions_of_a_real_emulator(tmp_path: Path, folder: Path) -> None:
    server = LiveServer(tmp_path / "data", "--trainer", "instant")
    try:
        project = server.trainable()
        iteration = server.post(f"{project}/train")["id"]
        server.wait_for_training(project, iteration)
        publication = {"publishName": "live", "predictionId": RESOURCE_ID}
        server.post(f"{project}/iterations/{iteration}/publish", params=publication)
        for number, content in enumerate([*pictures(2, "red"), picture(7, "blue")]):
            (folder / f"{number}.png").write_bytes(content)
        (folder / "3.jpg").write_bytes(b"no picture")
        arguments = ["--project", "live", "--published", "live", "--port", str(server.port), "--settle", "0"]
        ran = run("watch", str(folder), *arguments, "--once")
        assert (ran.returncode, ran.stderr) == (0, "")
        found = {one["file"]: one for one in lines(folder / "results")}
        assert [found[f"{number}.png"]["tag"] for number in range(3)] == ["red", "red", "blue"]
        assert found["3.jpg"]["status"] == "refused"
        stored = server.post(f"{project}/predictions/query", json={})["results"]
        assert {one["id"] for one in stored} == {
            one["predictionId"] for one in found.values() if one["status"] == "scored"
        }
    finally:
        server.kill()


# --- results ----------------------------------------------------------------------------------------------


def entry(tag: str = "ok") -> dict[str, Any]:
    return {"status": "scored", "tag": tag, "probability": 0.5}


def test_names_of_any_bytes_are_read_again_as_they_are(tmp_path: Path) -> None:
    names = ["Maß.jpg", "\udcff.jpg"]
    results = Results(tmp_path)
    for name in names:
        results.add(Picture(name, 1, 1), entry(), NOON)
    assert list(Results(tmp_path).done) == [Picture(name, 1, 1) for name in names]
    assert "Maß".encode() in next(tmp_path.glob("*.jsonl")).read_bytes()


def test_a_receiver_that_does_not_answer_is_a_failure_of_the_last_sending(tmp_path: Path) -> None:
    results = Results(tmp_path)
    results.add(Picture("a.jpg", 1, 1), entry(), NOON)
    sending, answered = threading.Event(), threading.Event()

    def send(_body: bytes) -> None:
        sending.set()
        assert answered.wait(PATIENCE_SECONDS)

    delivery = Delivery(send, results, tmp_path / ".receiver")
    assert sending.wait(PATIENCE_SECONDS)
    assert delivery.close(0.0) == "no answer in 0 seconds"
    answered.set()
    assert delivery.close(PATIENCE_SECONDS) is None


def test_lines_that_are_damaged_meanwhile_are_a_failure_of_the_sending(tmp_path: Path) -> None:
    results = Results(tmp_path)
    (tmp_path / "results-2026-01-31.jsonl").write_bytes(b"damaged\n")
    delivery = Delivery(lambda _body: None, results, tmp_path / ".receiver")
    assert "is damaged before byte 8" in (delivery.close(PATIENCE_SECONDS) or "")


@pytest.mark.parametrize("torn", [b'{"file": "b', b"\0" * 20, b"\0\0\0\n", b'{"half": \n'])
def test_a_line_that_a_power_failure_tore_is_removed(tmp_path: Path, torn: bytes) -> None:
    first, second = Picture("a.jpg", 1, 1), Picture("b.jpg", 2, 2)
    Results(tmp_path).add(first, entry(), NOON)
    path = next(tmp_path.glob("*.jsonl"))
    path.write_bytes(path.read_bytes() + torn)
    again = Results(tmp_path)
    assert list(again.done) == [first]
    again.add(second, entry(), NOON)
    assert list(Results(tmp_path).done) == [first, second]


def test_a_table_that_lacks_rows_is_written_again(tmp_path: Path) -> None:
    results = Results(tmp_path)
    results.add(Picture('a,"b\n.jpg', 1, 1), entry(), NOON)
    results.add(Picture("c.jpg", 1, 1), entry(), NOON)
    path = next(tmp_path.glob("*.csv"))
    path.write_bytes(path.read_bytes()[:-20])
    Results(tmp_path)
    assert [row["file"] for row in rows(tmp_path)] == ['a,"b\n.jpg', "c.jpg"]


def test_entries_are_read_from_a_position_on_over_days(tmp_path: Path) -> None:
    results = Results(tmp_path)
    for day in range(3):
        results.add(Picture(f"{day}.jpg", 1, 1), entry(), NOON + timedelta(days=day))
    found = list(results.after(Position()))
    assert [one["file"] for one, _ in found] == ["0.jpg", "1.jpg", "2.jpg"]
    assert [one["file"] for one, _ in results.after(found[0][1])] == ["1.jpg", "2.jpg"]
    assert list(results.after(found[2][1])) == []


def test_pictures_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    results = Results(tmp_path)
    present = Picture("present.jpg", 1, 1)
    results.done = {Picture(str(number), 1, 1): "ok" for number in range(2000)} | {present: "ok"}
    results.keep({present})
    assert results.done == {present: "ok"}


def test_another_line_that_is_damaged_is_an_error(tmp_path: Path) -> None:
    Results(tmp_path).add(Picture("a.jpg", 1, 1), entry(), NOON)
    path = next(tmp_path.glob("*.jsonl"))
    path.write_bytes(b"{}\n" + path.read_bytes())
    with pytest.raises(ResultsDamaged, match="before byte 3"):
        Results(tmp_path)


# --- pictures ---------------------------------------------------------------------------------------------


def test_a_file_is_complete_when_it_has_not_changed_for_the_time(folder: Path) -> None:
    watched = PictureFolder(folder, [], settle_seconds=1.0)
    path = folder / "a.jpg"
    path.touch()
    assert list(watched.scan(0.0).values()) == [False]
    assert list(watched.scan(5.0).values()) == [False]  # empty
    path.write_bytes(b"half")
    assert list(watched.scan(10.0).values()) == [False]
    path.write_bytes(b"half and half")
    assert list(watched.scan(11.0).values()) == [False]
    assert list(watched.scan(11.9).values()) == [False]
    ((one, is_complete),) = watched.scan(12.0).items()
    assert is_complete
    assert watched.is_unchanged(one)
    path.write_bytes(b"replaced")
    assert not watched.is_unchanged(one)
    path.unlink()
    assert not watched.is_unchanged(one)


def test_folders_of_results_and_links_are_left_out(folder: Path) -> None:
    (folder / "done").mkdir()
    write(folder / "done", 1)
    if os.name != "nt":
        (folder / "circle").symlink_to(folder)
    assert PictureFolder(folder, [folder / "done"], 0.0).scan(0.0) == {}


def test_a_picture_that_was_copied_before_a_stop_is_not_copied_again(folder: Path, tmp_path: Path) -> None:
    write(folder, 1)
    target = tmp_path / "done" / "ok" / "0000.jpg"
    target.parent.mkdir(parents=True)
    target.write_bytes((folder / "0000.jpg").read_bytes())
    move(folder / "0000.jpg", "0000.jpg", tmp_path / "done", "ok")
    assert [path.name for path in target.parent.iterdir()] == ["0000.jpg"]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("tag", "name"), [("a/b:c", "a_b_c"), ("..", "_"), ("", "_"), ("Maß", "Maß")])
def test_tags_of_any_characters_name_folders(folder: Path, tmp_path: Path, tag: str, name: str) -> None:
    write(folder, 1)
    move(folder / "0000.jpg", "0000.jpg", tmp_path / "done", tag)
    assert (tmp_path / "done" / name / "0000.jpg").exists()
