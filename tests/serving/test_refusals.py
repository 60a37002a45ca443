"""Requests that the server of an exported model refuses are logged with the reasons."""

from __future__ import annotations

import pytest

from tests.serving.harness import KEYS, classifier_server
from tests.support.harness import NOWHERE
from tests.support.images import picture
from tests.support.refusals import logged_refusals

PREDICTION = f"/customvision/v3.0/Prediction/{NOWHERE}/classify/iterations/name"
KEY = {"Prediction-Key": KEYS[0]}


@pytest.mark.parametrize(
    ("path", "more", "start", "reason"),
    [
        (f"{PREDICTION}/image", {"headers": {}}, "401 (", "no key: send it in the header Training-Key or"),
        (f"{PREDICTION}/image", {"headers": {"Prediction-Key": "some-key"}}, "401 (", "wrong key"),
        (f"{PREDICTION}/image", {"content": picture(format="WEBP")}, "400 BadRequestImageFormat", "is WebP"),
        (f"{PREDICTION}/nothing", {}, "404 (", "only the operations of the prediction API"),
        (
            f"{PREDICTION}/image".replace("name", "other"),
            {},
            "404 NotFoundIteration",
            "--model-name is 'name'",
        ),
        (f"{PREDICTION}/image".replace("classify", "detect"), {}, "400 BadRequestNotSupported", "'classify'"),
        (
            f"{PREDICTION}/url",
            {"json": {"url": "http://10.1.2.3/a?sig=some-key"}},
            "400 BadRequestImageUrl",
            "10.1.2.3 is private or local; --url-allow 10.1.2.3 would allow it.",
        ),
        ("/image", {"content": picture(format="TIFF")}, "500 (", "It is TIFF."),
        ("/url", {"json": {"url": "http://10.1.2.3/a?sig=some-key"}}, "200 (", "--url-allow 10.1.2.3"),
        ("/url", {"content": b"x"}, "200 (", "The body is not JSON."),
        ("/nothing", {}, "404 (", "no operation has this path"),
    ],
)
def test_the_reason_is_logged(
    caplog: pytest.LogCaptureFixture, path: str, more: dict[str, object], start: str, reason: str
) -> None:
    server = classifier_server(keys=KEYS, model_name="name")
    with logged_refusals(caplog) as lines:
        server.post(path, **{"headers": KEY, **more})
        (line,) = lines()
    assert line.startswith(f"POST {path} {start}")
    assert reason in line
    assert not any(key in line for key in (*KEYS, "some-key"))


def test_what_is_not_refused_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    server = classifier_server(keys=KEYS)
    with logged_refusals(caplog) as lines:
        for path in ("/image", f"{PREDICTION}/image"):
            assert server.post(path, headers=KEY, content=picture()).status_code == 200
        assert server.get("/").status_code == 200
        assert lines() == []
