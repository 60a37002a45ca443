"""Boxes drawn and changed by mouse and keys are stored where they were drawn."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import expect

from tests.portal.conftest import OpenPortal
from tests.support.labeling import LabelingUser, overlap, photograph, within
from tests.support.live_server import LiveServer
from tests.support.portal import Portal

COFFEE = (600, 400)


@pytest.fixture
def user(portal: Portal) -> LabelingUser:
    user = LabelingUser(portal)
    user.add_tags("cup", "saucer", "spoon")
    return user


# Orientation 6 turns the image by a quarter; its width and height change places.
@pytest.mark.parametrize(("orientation", "density"), [(1, 1), (6, 1), (6, 2), (3, 1)])
def test_a_box_is_stored_where_it_was_drawn_at_three_zooms(
    open_portal: OpenPortal, portal_server: LiveServer, orientation: int, density: int
) -> None:
    user = LabelingUser(open_portal(portal_server, device_scale_factor=density))
    user.add_tags("cup")
    size = (1500, 1000)
    (image,) = user.add_images(photograph("coffee.png", size=size, orientation=orientation))
    user.open(image)
    width, height = size if orientation < 5 else size[::-1]
    user.press("1")
    drawn = []
    for number, zoom in enumerate(("fit", "actual", "large")):
        if zoom == "actual":
            user.page.get_by_title("Show at 100%").click()
        elif zoom == "large":
            user.press("+", "+", "+", "+")
        start = (width // 2 - 60 - number, height // 2 - 40)
        end = (width // 2 + 37, height // 2 + 31 + number)
        user.press("Escape")
        user.drag(start, end)
        drawn.append((*start, end[0] - start[0], end[1] - start[1]))
        user.page.get_by_role("heading", name=f"Boxes ({len(drawn)})").wait_for()
    user.is_saved()
    stored = [each.box for each in user.boxes(image)]
    assert len(stored) == 3
    for expected, box in zip(sorted(drawn), stored, strict=True):
        assert within(box, expected), (box, expected)


def test_a_box_never_leaves_the_image(user: LabelingUser) -> None:
    (image,) = user.add_images(photograph("coffee.png"))
    user.open(image)
    user.press("1", "-", "-")
    user.drag((500, 300), (700, 500))
    user.press(*["Shift+ArrowRight"] * 3, *["Alt+ArrowDown"] * 3)
    user.is_saved()
    (stored,) = user.boxes(image)
    assert within(stored.box, (500, 300, 100, 100), 0.01)


def test_two_clicks_draw_a_box_and_the_way_of_drawing_is_remembered(user: LabelingUser) -> None:
    (image,) = user.add_images(photograph("coffee.png"))
    user.open(image)
    user.press("2", "m")
    user.click(100, 50)
    user.click(250, 150)
    user.press("Escape")
    user.click(300, 200)
    user.press("Escape")  # the first corner is forgotten
    user.is_saved()
    (stored,) = user.boxes(image)
    assert stored.tag == "saucer"
    assert within(stored.box, (100, 50, 150, 100))
    assert "mode=clicks" in user.page.url
    user.open(image)
    assert user.page.get_by_role("radio", name="Two clicks").is_checked()


def test_boxes_within_and_across_others_can_be_drawn(user: LabelingUser) -> None:
    (image,) = user.add_images(photograph("coffee.png"))
    user.open(image)
    user.press("1")
    user.drag((100, 50), (500, 350))
    user.press("Escape", "2")
    user.drag((200, 100), (300, 200))  # begins within a box that is not selected
    user.press("Escape", "3")
    user.drag((250, 150), (550, 390))
    user.is_saved()
    assert [each.tag for each in user.boxes(image)] == ["cup", "saucer", "spoon"]


def test_handles_and_dragging_change_the_selected_box(user: LabelingUser) -> None:
    (image,) = user.add_images(photograph("coffee.png"))
    user.open(image)
    user.press("1")
    user.drag((100, 100), (200, 200))
    for handle, end in (((100, 100), (90, 80)), ((200, 140), (220, 140)), ((155, 200), (155, 250))):
        user.drag(handle, end)
    user.drag((150, 150), (160, 155))
    user.is_saved()
    (stored,) = user.boxes(image)
    assert within(stored.box, (100, 85, 130, 170))


def test_keys_move_resize_copy_tag_and_delete(user: LabelingUser) -> None:
    (image,) = user.add_images(photograph("coffee.png"))
    user.open(image)
    user.press("1", "n")
    user.selects("cup, box 1 of 1")
    fields = [user.page.get_by_label(name, exact=True) for name in ("X", "Y", "Width", "Height")]

    def becomes(*box: float) -> None:
        for field, value in zip(fields, box, strict=True):
            expect(field).to_have_value(f"{value:g}")

    x, y, width, height = (float(field.input_value()) for field in fields)
    user.press("ArrowRight", "Shift+ArrowDown", "Alt+ArrowRight", "Alt+ArrowUp")
    becomes(x + 1, y + 10, width + 1, height - 1)
    user.press("Alt+Shift+ArrowRight", "Alt+Shift+ArrowDown", "Alt+Shift+ArrowDown", "Alt+Shift+ArrowLeft")
    becomes(x + 1, y + 10, width + 1, height + 19)
    user.press("Control+ArrowLeft", "Control+Shift+ArrowUp", "Control+ArrowDown")
    becomes(x, y + 1, width + 2, height + 28)
    user.press("Control+ArrowRight", "Control+Shift+ArrowDown", "Control+ArrowUp")
    becomes(x + 1, y + 10, width + 1, height + 19)
    user.press("c", "3")
    user.selects("spoon, box 2 of 2")
    user.press("Shift+Tab")
    user.selects("cup, box 1 of 2")
    user.press("Delete")
    user.is_saved()
    (stored,) = user.boxes(image)
    assert stored.tag == "spoon"
    # Undo selects what it brings back: the next key moves it.
    user.press("Control+z", "ArrowLeft")
    user.selects("cup, box")
    becomes(x, y + 10, width + 1, height + 19)


def test_arrows_do_not_leave_an_image_that_was_just_edited(user: LabelingUser) -> None:
    second, first = user.add_images(photograph("chelsea.png"), photograph("coffee.png"))
    user.open(first)
    user.press("1", "n", "Escape", "ArrowRight")
    user.page.get_by_text("No box is selected. Tab selects one").first.wait_for()
    user.position("1 of 2")
    user.press("Enter")
    user.position("2 of 2")
    user.press("ArrowLeft")  # nothing was changed here
    user.position("1 of 2")
    user.is_saved()
    assert [len(user.boxes(image)) for image in (first, second)] == [1, 0]


def test_tab_leaves_the_canvas_after_the_last_box(user: LabelingUser) -> None:
    (image,) = user.add_images(photograph("coffee.png"))
    (tag, *_) = [tag.id for tag in user.portal.trainer.get_tags(user.project)]
    user.add_boxes(image, tag, (0.1, 0.1, 0.2, 0.2), (0.5, 0.5, 0.2, 0.2))
    user.open(image)
    user.canvas.focus()
    for number in (1, 2):
        user.press("Tab")
        user.selects(f"box {number} of 2")
        # Also when no element has the focus.
        user.canvas.evaluate("element => element.blur()")
    user.press("Tab")
    assert not user.canvas.evaluate("element => element === document.activeElement")


def test_positions_are_typed_in_the_list_of_boxes(user: LabelingUser) -> None:
    (image,) = user.add_images(photograph("coffee.png"))
    user.open(image)
    user.press("1", "n")
    for name, value in {"X": "30", "Y": "40", "Width": "150", "Height": "60"}.items():
        user.page.get_by_label(name, exact=True).fill(value)
    user.is_saved()
    (stored,) = user.boxes(image)
    assert within(stored.box, (30, 40, 150, 60), 0.01)


def test_a_tag_is_searched_and_made_by_typing(user: LabelingUser) -> None:
    (image,) = user.add_images(photograph("coffee.png"))
    user.open(image)
    user.press("1", "n", "t")
    user.page.keyboard.type("milk jug")
    user.press("Enter")
    user.page.get_by_role("option", name="milk jug, box 1 of 1").wait_for()
    assert user.page.get_by_role("status").filter(has_text="Deleted tag").count() == 0
    user.press("t")
    user.page.keyboard.type("spo")
    user.press("Enter")
    user.page.get_by_role("option", name="spoon, box 1 of 1").wait_for()
    user.is_saved()
    assert [each.tag for each in user.boxes(image)] == ["spoon"]
    assert "milk jug" in {tag.name for tag in user.portal.trainer.get_tags(user.project)}


def test_boxes_of_the_previous_image_are_repeated(user: LabelingUser) -> None:
    second, first = user.add_images(
        photograph("coffee.png", crop=(0, 0, 598, 399)), photograph("coffee.png", crop=(2, 1, 600, 400))
    )
    user.open(first)
    user.press("1")
    user.drag((100, 50), (200, 100))
    user.press("Escape", "2")
    user.drag((300, 200), (400, 300))
    user.press("Enter")
    user.position("2 of 2")
    user.press("r", "ArrowRight", "ArrowLeft")  # moves the first one, which is selected
    user.selects("cup, box 1 of 2")
    user.is_saved()
    boxes = [user.boxes(image) for image in (first, second)]
    assert [each.tag for each in boxes[1]] == ["cup", "saucer"]
    assert all(
        overlap(*pair) > 0.99 for pair in zip(*([each.box for each in side] for side in boxes), strict=True)
    )


def test_undo_goes_back_within_the_image_and_then_to_the_one_before(user: LabelingUser) -> None:
    second, first = user.add_images(photograph("coffee.png"), photograph("chelsea.png"))
    user.open(first)
    user.press("1")
    user.drag((50, 50), (150, 150))
    user.press("ArrowRight", "ArrowRight", "2")
    user.is_saved()
    assert [each.tag for each in user.boxes(first)] == ["saucer"]
    user.press("Control+z")
    user.page.get_by_role("option", name="cup, box 1 of 1, at 52,").wait_for()
    user.press("Control+z")
    user.page.get_by_role("option", name="cup, box 1 of 1, at 50,").wait_for()
    user.press("Control+Shift+z")
    user.page.get_by_role("option", name="cup, box 1 of 1, at 52,").wait_for()
    user.press("Enter")
    user.position("2 of 2")
    user.page.get_by_role("status").filter(has_text="Saved, 1 of 2").wait_for(state="attached")
    user.press("Control+z")  # the whole image, which is shown again
    user.position("1 of 2")
    user.page.get_by_role("heading", name="Boxes (0)").wait_for()
    assert user.boxes(first) == []
    assert user.boxes(second) == []
    user.press("Control+Shift+z")
    user.page.get_by_role("heading", name="Boxes (1)").wait_for()
    user.is_saved()
    assert [each.tag for each in user.boxes(first)] == ["cup"]


def test_the_wheel_zooms_at_the_pointer_and_drags_pan(user: LabelingUser) -> None:
    (image,) = user.add_images(photograph("coffee.png"))
    user.open(image)
    user.press("1")
    at = user.point(150, 100)
    user.page.mouse.move(*at)
    user.page.mouse.wheel(0, -600)
    zoomed = user.point(150, 100)
    assert (
        max(abs(one - other) for one, other in zip(at, zoomed, strict=True)) < 2
    )  # the wheel has whole pixels
    mouse = user.page.mouse
    presses: tuple[tuple[str | None, Literal["left", "middle"]], ...] = (
        ("Alt", "left"),
        (None, "middle"),
        ("Space", "left"),
    )
    for key, button in presses:
        before = user.point(150, 100)
        mouse.move(*at)
        if key:
            user.page.keyboard.down(key)
        mouse.down(button=button)
        mouse.move(at[0] + 40, at[1] + 30)
        mouse.up(button=button)
        if key:
            user.page.keyboard.up(key)
        after = user.point(150, 100)
        assert (round(after[0] - before[0]), round(after[1] - before[1])) == (40, 30)
    user.page.get_by_role("heading", name="Boxes (0)").wait_for()
    user.press("f")
    assert user.point(150, 100) == at


def test_300_boxes_are_open_at_once(user: LabelingUser) -> None:
    few, many = user.add_images(photograph("coffee.png"), photograph("hubble_deep_field.jpg"))
    (tag, *_) = [tag.id for tag in user.portal.trainer.get_tags(user.project)]
    grid = [((number % 20) / 20, number // 20 / 15, 1 / 40, 1 / 30) for number in range(300)]
    user.add_boxes(many, tag, *grid)
    user.open(few, status="all")
    user.press("a")
    user.page.get_by_role("heading", name="Boxes (300)").wait_for()
    assert user.canvas.get_by_role("option").count() == 300
