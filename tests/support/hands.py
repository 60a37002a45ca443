"""Two ways to use a page, by mouse and by keyboard alone, with the same steps.

The keyboard sends keys and nothing else: elements are reached with Tab and arrows, as a person reaches them.
Each element that it uses must show that it has the focus, and must be in sight.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Download, FileChooser, Locator, Page

# More stops between two elements make a page tedious without a mouse.
MOST_TABS = 60
MOST_ARROWS = 30

# Where the element is seen from the focus: here, before or after.
_PLACE = """element => {
  const active = document.activeElement;
  if (active === element) return "here";
  if (!active || active === document.body) return "after";
  return active.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_PRECEDING ? "before" : "after";
}"""
# What hides the focus from a person; empty where it is shown and in sight.
_HIDDEN = """element => {
  // An input may be invisible, with something drawn beside it.
  const near = element.matches("input")
    ? [element, element.parentElement, element.closest("label"), element.nextElementSibling].filter(Boolean)
    : [element];
  const isText = element.matches("textarea, select, input:not([type=radio], [type=checkbox])");
  const isMarked = near.some(each => {
    const style = getComputedStyle(each);
    return style.boxShadow !== "none" ||
      (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0);
  });
  const boxes = near.map(each => each.getBoundingClientRect()).filter(box => box.width > 1 && box.height > 1);
  const isInSight = boxes.some(({left, right, top, bottom}) => {
    if (right <= 0 || bottom <= 0 || left >= innerWidth || top >= innerHeight) return false;
    const x = (Math.max(left, 0) + Math.min(right, innerWidth)) / 2;
    const y = (Math.max(top, 0) + Math.min(bottom, innerHeight)) / 2;
    const at = document.elementFromPoint(x, y);
    return at && near.some(each => each.contains(at) || at.contains(each));
  });
  return [isText || isMarked ? "" : "no mark of the focus", isInSight ? "" : "out of sight"]
    .filter(Boolean).join(", ");
}"""
_FOCUSED = """() => {
  const active = document.activeElement;
  return active ? active.outerHTML.slice(0, 200) : "nothing";
}"""
# The one of its group that Tab reaches: the chosen one, or itself.
_STOP = """element => {
  const isNative = element.matches("input");
  const all = isNative
    ? [...document.querySelectorAll(`input[name="${element.name}"]`)]
    : [...element.closest("[role=radiogroup], [role=tablist]").querySelectorAll(`[role=${element.role}]`)];
  const stop = all.find(each => (isNative ? each.checked : each.tabIndex === 0)) ?? element;
  const index = all.indexOf(stop);
  return [index, all.indexOf(element)];
}"""
_IS_CHOSEN = """element => element.checked ?? (element.ariaChecked ?? element.ariaSelected) === "true" """
_ACTIVE_OPTION = (
    """input => document.getElementById(input.getAttribute("aria-activedescendant"))?.innerText ?? "" """
)
_NOTE_POINTERS = """
  addEventListener("pointerdown", event => event.isTrusted && console.error("a pointer was used"), true);
"""


class Hands(ABC):
    """What a person does with the elements of a page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @abstractmethod
    def press(self, target: Locator) -> None:
        """Activate a button or a link."""

    @abstractmethod
    def write(self, field: Locator, text: str) -> None:
        """Replace the text of a field."""

    @abstractmethod
    def choose(self, option: Locator) -> None:
        """Choose a radio button or a tab."""

    @abstractmethod
    def pick(self, field: Locator, option: str) -> None:
        """Choose from a list that a field opens."""

    @abstractmethod
    def go(self, name: str, keys: str) -> None:
        """Go to a page of the project, by its link in the header or by its keys."""

    @abstractmethod
    def close(self, dialog: Locator) -> None:
        """Close a dialog without an action."""

    def choose_files(self, opener: Locator, files: Path | Sequence[Path]) -> None:
        """Answer the dialog of the system that the button `opener` opens."""
        with self.page.expect_file_chooser() as chooser:
            self.press(opener)
        chosen: FileChooser = chooser.value
        chosen.set_files(files)

    def download(self, link: Locator) -> Download:
        with self.page.expect_download() as download:
            self.press(link)
        return download.value


class Mouse(Hands):
    """Clicks. Text is typed, since there is no other way."""

    def press(self, target: Locator) -> None:
        target.click()

    def write(self, field: Locator, text: str) -> None:
        field.click(click_count=3)
        self.page.keyboard.press("Delete")
        self.page.keyboard.type(text)

    def choose(self, option: Locator) -> None:
        option.click()

    def pick(self, field: Locator, option: str) -> None:
        field.click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def go(self, name: str, keys: str) -> None:
        self.page.get_by_role("navigation", name="Project").get_by_role("link", name=name).click()

    def close(self, dialog: Locator) -> None:
        dialog.get_by_role("banner").get_by_role("button").click()
        dialog.wait_for(state="hidden")


class Keyboard(Hands):
    """Keys alone: any use of a pointer is an error of the console, which fails the test.

    Attributes:
        hidden: elements that had the focus without showing it, or out of sight, each with the reason.
    """

    def __init__(self, page: Page) -> None:
        super().__init__(page)
        page.add_init_script(_NOTE_POINTERS)
        self.hidden: list[str] = []

    def reach(self, target: Locator) -> None:
        """Press Tab or Shift+Tab until the element has the focus."""
        target.wait_for(state="attached")
        directions = []
        for _ in range(MOST_TABS):
            place = target.evaluate(_PLACE)
            if place == "here":
                self._check_focus(target)
                return
            directions.append(place)
            if directions[-3:] in (["before", "after", "before"], ["after", "before", "after"]):
                break  # passed twice: it is no stop of Tab
            self.page.keyboard.press("Shift+Tab" if place == "before" else "Tab")
        focused = self.page.evaluate(_FOCUSED)
        raise AssertionError(f"not reached by Tab: {target}; the focus is on {focused}")

    def press(self, target: Locator) -> None:
        self.reach(target)
        self.page.keyboard.press("Enter")

    def write(self, field: Locator, text: str) -> None:
        self.reach(field)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.press("Delete")
        self.page.keyboard.type(text)

    def choose(self, option: Locator) -> None:
        option.wait_for(state="attached")
        stop, wanted = option.evaluate(_STOP)
        if stop == wanted:
            self.reach(option)
            if not option.evaluate(_IS_CHOSEN):
                self.page.keyboard.press("Space")
        else:
            group = option.locator("xpath=ancestor::*[@role='radiogroup' or @role='tablist'][1]")
            members = group.get_by_role("tab").or_(group.get_by_role("radio"))
            self.reach(members.nth(stop))
            for _ in range(abs(wanted - stop)):
                self.page.keyboard.press("ArrowRight" if wanted > stop else "ArrowLeft")
            if option.get_attribute("role") == "tab":
                self.page.keyboard.press("Enter")  # some only open when it is pressed
        self.page.wait_for_function(_IS_CHOSEN, arg=option.element_handle())

    def pick(self, field: Locator, option: str) -> None:
        self.reach(field)
        self.page.keyboard.press("ArrowDown")
        for _ in range(MOST_ARROWS):
            if str(field.evaluate(_ACTIVE_OPTION)).strip() == option:
                self.page.keyboard.press("Enter")
                return
            self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"arrows do not lead to the option {option} of {field}")

    def go(self, name: str, keys: str) -> None:
        for key in keys.split():
            self.page.keyboard.press(key)

    def close(self, dialog: Locator) -> None:
        self.page.keyboard.press("Escape")
        dialog.wait_for(state="hidden")

    def _check_focus(self, target: Locator) -> None:
        if reason := target.evaluate(_HIDDEN):
            self.hidden.append(f"{reason}: {target.evaluate('element => element.outerHTML.slice(0, 160)')}")
