"""HTML pages made of elements, whose texts and attributes are escaped: names are those of users."""

from collections.abc import Sequence
from xml.etree import ElementTree

Child = ElementTree.Element | str


def element(tag: str, *children: Child, **attributes: str | float) -> ElementTree.Element:
    """An element. attributes: `class_` is `class`, and an underscore is a hyphen."""
    named = {name.rstrip("_").replace("_", "-"): str(value) for name, value in attributes.items()}
    made = ElementTree.Element(tag, named)
    for child in children:
        if isinstance(child, str):
            if len(made):
                made[-1].tail = (made[-1].tail or "") + child
            else:
                made.text = (made.text or "") + child
        else:
            made.append(child)
    return made


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> ElementTree.Element:
    """A table whose first column names the rows."""
    body = [
        element("tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:]))
        for row in rows
    ]
    return element(
        "div",
        element(
            "table",
            element("caption", caption),
            element("thead", element("tr", *(element("th", cell, scope="col") for cell in head))),
            element("tbody", *body),
        ),
        class_="scrolled",
        tabindex=0,
        role="region",
        aria_label=caption,
    )


def document(title: str, style: str, *main: Child) -> str:
    """A page in English that refers to nothing. style: CSS."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", style),
    )
    body = element("body", element("main", element("h1", title), *main))
    page = element("html", head, body, lang="en")
    return f"<!DOCTYPE html>\n{ElementTree.tostring(page, encoding='unicode', method='html')}\n"
