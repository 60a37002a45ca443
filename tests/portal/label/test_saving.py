"""Labels are not lost: without a server, beside other windows, and when images or tags disappear."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.portal.conftest import OpenPortal
from tests.support.labeling import LabelingUser, photograph, within
from tests.support.live_server import LiveServer
from tests.support.portal import Portal

if TYPE_CHECKING:
    from tests.conftest import Serve


@pytest.fixture
def user(portal: Portal) -> LabelingUser:
    user = LabelingUser(portal)
    user.add_tags("cat", "cup")
    return user


def test_a_box_drawn_while_the_server_is_gone_is_saved_when_it_returns(
    open_portal: OpenPortal, serve: Serve
) -> None:
    server: LiveServer = serve("--trainer", "instant")
    portal = open_portal(server)
    portal.expects("console error: Failed to load resource", "console error: .*ERR_CONNECTION")
    user = LabelingUser(portal)
    user.add_tags("cup")
    second, first = user.add_images(photograph("coffee.png"), photograph("chelsea.png"))
    user.open(first)
    # The page has asked for the next image, too; without a server it could not.
    user.page.wait_for_function(
        "path => performance.getEntriesByType('resource').some(({name}) => name.includes(path))",
        arg=f"/i-{second.replace('-', '')}",
    )
    port = server.port
    server.kill()
    user.drag((50, 50), (150, 150))
    user.page.get_by_role("alert").filter(has_text="does not respond").wait_for()
    user.press("Enter")
    user.position("2 of 2")
    user.drag((60, 60), (160, 160))
    user.page.get_by_test_id("save-state").filter(has_text="Waiting for the emulator").or_(
        user.page.get_by_test_id("save-state").filter(has_text="Not saved yet")
    ).wait_for()
    with user.page.expect_event("dialog") as dialog:
        user.page.close(run_before_unload=True)
    assert dialog.value.type == "beforeunload"
    dialog.value.dismiss()
    returned = serve("--trainer", "instant", "--port", str(port), data=server.data)
    assert returned.port == port
    user.page.get_by_role("alert").filter(has_text="does not respond").wait_for(state="detached")
    user.is_saved()
    for image, start in ((first, 50), (second, 60)):
        (stored,) = user.boxes(image)
        assert within(stored.box, (start, start, 100, 100))


def test_boxes_of_another_window_are_kept_and_said(user: LabelingUser) -> None:
    (image,) = user.add_images(photograph("coffee.png"))
    user.open(image)
    user.press("1")
    (tag, *_) = [each.id for each in user.portal.trainer.get_tags(user.project)]
    user.add_boxes(image, tag, (0.5, 0.5, 0.25, 0.25))
    user.drag((50, 50), (150, 150))
    user.page.get_by_role("alert").filter(has_text="changed in another window: 1 box added").wait_for()
    user.is_saved()
    assert len(user.boxes(image)) == 2


def test_an_image_that_was_deleted_is_said(user: LabelingUser) -> None:
    (image,) = user.add_images(photograph("coffee.png"))
    user.open(image)
    user.press("1")
    user.portal.trainer.delete_images(user.project, [image])
    user.drag((50, 50), (150, 150))
    user.page.get_by_role("alert").filter(has_text="deleted in another window").wait_for()


def test_a_tag_that_was_deleted_is_said_and_the_box_stays(user: LabelingUser) -> None:
    (image,) = user.add_images(photograph("coffee.png"))
    user.open(image)
    user.portal.expects("status of 404")
    user.press("2")
    tags = {tag.name: tag.id for tag in user.portal.trainer.get_tags(user.project)}
    user.portal.trainer.delete_tag(user.project, tags["cup"])
    user.drag((50, 50), (150, 150))
    user.page.get_by_role("alert").filter(has_text="One box has no tag now").wait_for()
    user.press("1")
    user.is_saved()
    assert [each.tag for each in user.boxes(image)] == ["cat"]


def test_a_full_disk_is_said_and_the_labels_stay(user: LabelingUser) -> None:
    (image,) = user.add_images(photograph("coffee.png"))
    user.open(image)
    user.portal.expects("status of 507")
    body = '{"code": "ErrorUnknown", "message": "no space"}'
    user.page.route(
        "**/images/regions",
        lambda route: route.fulfill(status=507, content_type="application/json", body=body),
    )
    user.press("1")
    user.drag((50, 50), (150, 150))
    user.page.get_by_role("alert").filter(has_text="disk of the emulator is full").wait_for()
    user.page.unroute("**/images/regions")
    user.page.get_by_role("button", name="Try again").click()
    user.is_saved()
    assert len(user.boxes(image)) == 1


def test_a_session_that_ends_loses_nothing(user: LabelingUser) -> None:
    (image,) = user.add_images(photograph("coffee.png"))
    user.portal.expects("status of 401")
    user.open(image)
    user.press("2")
    user.page.evaluate("fetch('/portal/session', {method: 'DELETE'})")
    user.drag((50, 50), (150, 150))
    # With the well-known keys, the portal signs itself in again.
    user.is_saved()
    assert [each.tag for each in user.boxes(image)] == ["cup"]
