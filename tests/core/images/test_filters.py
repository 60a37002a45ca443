"""$filter of image lists: meaning, syntax errors, and its effect on lists and counts."""

import http.client
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.core.caches.image_index import ImageIndex
from emulator.core.errors import ServiceError
from emulator.core.images import filters as image_filters
from emulator.core.images.filters import DEEPEST, LONGEST, MOST_COMPARISONS, Comparison, parse
from tests.support.harness import (
    PATIENCE_SECONDS,
    TRAINING_KEY,
    Service,
    expect,
    files_body,
    training_path,
)
from tests.support.images import pictures
from tests.support.live_server import LiveServer

# --- meaning ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "metadata", "matches"),
    [
        ("metadata=a eq 'x'", {"a": "x"}, True),
        ("metadata=a eq 'x'", {"a": "X"}, False),
        ("metadata=a eq 'x'", {"A": "x"}, False),
        ("metadata=a eq 'x'", {}, False),
        ("metadata=a ne 'x'", {"a": "x"}, False),
        ("metadata=a ne 'x'", {"a": "y"}, True),
        ("metadata=a ne 'x'", {}, True),
        ("metadata=a eq ''", {"a": ""}, True),
        ("metadata=a eq ''", {}, False),
        ("metadata=a eq 'x' and b ne 'y'", {"a": "x"}, True),
        ("metadata=a eq 'x' and b ne 'y'", {"a": "x", "b": "y"}, False),
        # and binds closer than or
        ("metadata=a eq '1' or a eq '2' and b eq '1'", {"a": "1"}, True),
        ("metadata=(a eq '1' or a eq '2') and b eq '1'", {"a": "1"}, False),
        ("metadata=(a eq '1' or a eq '2') and b eq '1'", {"a": "2", "b": "1"}, True),
        # quoting
        ("metadata=a eq 'it''s'", {"a": "it's"}, True),
        ("metadata='my key' eq 'x'", {"my key": "x"}, True),
        ("metadata='and' eq 'x'", {"and": "x"}, True),
        ("metadata=a eq 'x or b eq ''y'''", {"a": "x or b eq 'y'"}, True),
        ("metadata=größe.cm-2=\"_$ eq '犬'", {'größe.cm-2="_$': "犬"}, True),
        # blanks and case
        ("  METADATA = ( a EQ'x' )AND(b\tNe\n'y')  ", {"a": "x"}, True),
    ],
)
def test_meaning(text: str, metadata: dict[str, str], matches: bool) -> None:
    assert parse(text).matches(metadata) is matches


keys = st.text(min_size=1, max_size=4)
texts = st.text(max_size=4)


def _written(expression: image_filters.Expression) -> str:
    """An expression as a client writes it: every key quoted, parentheses around every part."""

    def quoted(text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    if isinstance(expression, Comparison):
        return f"{quoted(expression.key)} {'ne' if expression.negated else 'eq'} {quoted(expression.value)}"
    word = " and " if isinstance(expression, image_filters.And) else " or "
    return word.join(f"({_written(part)})" for part in expression.parts)


expressions: st.SearchStrategy[Any] = st.recursive(
    st.builds(Comparison, keys, texts, st.booleans()),
    lambda inner: st.one_of(
        st.builds(image_filters.And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(image_filters.Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


@given(expressions)
def test_an_archive_reads_as_it_was_written(expression: image_filters.Expression) -> None:
    assert parse(f"metadata={_written(expression)}") == expression


@given(st.text(alphabet="ab'() \teqnorad=é", max_size=40))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        parse(f"metadata={text}").matches({"a": "b"})
    except ServiceError as error:
        assert error.code == "BadRequest"


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("a eq 'x'", 1, "'metadata='"),
        ("metadata=", 10, "a key"),
        ("metadata=a", 11, "'eq' or 'ne'"),
        ("metadata=a gt 'x'", 12, "'eq' or 'ne'"),
        ("metadata=a eq", 14, "a value in single"),
        ("metadata=a eq x", 15, "a value in single"),
        ('metadata=a eq "x"', 15, "a value in single"),
        ("metadata=a eq 'x", 15, "a closing quotation mark"),
        ("metadata=a eq 'x' b eq 'y'", 19, "'and', 'or' or the end"),
        ("metadata=a eq 'x' and", 22, "a key"),
        ("metadata=and eq 'x'", 10, "a key"),
        ("metadata=(a eq 'x'", 19, "'and', 'or' or a closing parenthesis"),
        ("metadata=a eq 'x')", 18, "'and', 'or' or the end"),
        ("metadata=()", 11, "a key"),
        ("metadata=not (a eq 'x')", 14, "'eq' or 'ne'"),
        ("metadata=" + "(" * 100_000, 1, ""),
    ],
)
def test_syntax_errors_have_their_position(text: str, position: int, expected: str) -> None:
    with pytest.raises(ServiceError) as caught:
        parse(text)
    assert caught.value.code == "BadRequest"
    if expected:
        assert f"at character {position}: expected {expected}" in caught.value.message


def test_limits() -> None:
    inside = "(" * DEEPEST + "a eq 'x'" + ")" * DEEPEST
    assert parse(f"metadata={inside}").matches({"a": "x"})
    with pytest.raises(ServiceError, match="no more than 16 parentheses"):
        parse(f"metadata=({inside})")
    many = " or ".join(["a eq 'x'"] * MOST_COMPARISONS)
    assert parse(f"metadata={many}").matches({"a": "x"})
    with pytest.raises(ServiceError, match="no more than 32 comparisons"):
        parse(f"metadata={many} or a eq 'x'")
    longest = "metadata=a eq '" + "x" * (LONGEST - 16) + "'"
    assert len(longest) == LONGEST
    assert not parse(longest).matches({})
    with pytest.raises(ServiceError, match="8193 characters; at most 8192"):
        parse(longest + " ")


# --- lists and counts ---------------------------------------------------------------------------------------


@pytest.fixture
def shops(service: Service) -> tuple[Service, str, dict[str, list[str]]]:
    """A project with images of two shops and without a shop: its path, and ids by shop, oldest first."""
    project = service.project()
    red = service.tag(project, "red")
    ids: dict[str, list[str]] = {}
    for number, shop in enumerate(("north", "south", "")):
        body = files_body(pictures(3, start=3 * number), [red] if shop == "north" else [])
        if shop:
            body["metadata"] = {"shop": shop, 'odd "key" é': "1"}
        items = expect(service.send("POST", f"{project}/images/files", json=body))["images"]
        ids[shop] = [item["image"]["id"] for item in items]
    return service, project, ids


def listed(service: Service, project: str, text: str, **parameters: Any) -> list[str]:
    found = service.get(f"{project}/images", params={"$filter": text, **parameters})
    return [image["id"] for image in found]


def test_lists_and_counts_are_filtered(shops: tuple[Service, str, dict[str, list[str]]]) -> None:
    service, project, ids = shops
    north = "metadata=shop eq 'north'"
    assert listed(service, project, north) == ids["north"][::-1]
    assert listed(service, project, north, orderBy="Oldest", take=2, skip=1) == ids["north"][1:]
    assert listed(service, project, north, taggingStatus="Untagged") == []
    assert set(listed(service, project, "metadata=shop ne 'north'")) == {*ids["south"], *ids[""]}
    assert set(listed(service, project, "metadata='odd \"key\" é' eq '1'")) == {*ids["north"], *ids["south"]}
    for text, number in ((north, 3), ("metadata=shop ne 'north'", 6), ("metadata=shop eq 'x'", 0)):
        assert service.get(f"{project}/images/count", params={"$filter": text}) == number
    red = service.get(f"{project}/tags")[0]["id"]
    both = {"$filter": "metadata=shop ne 'north'", "tagIds": red}
    assert service.get(f"{project}/images/count", params=both) == 0


def test_iterations_are_filtered_too(service: Service) -> None:
    project, red, _ = service.trainable()
    image = service.get(f"{project}/images", params={"tagIds": red})[0]["id"]
    expect(service.send("POST", f"{project}/images/metadata", params={"imageIds": image}, json={"a": "b"}))
    view = {"iterationId": service.train(project).rpartition("/")[2], "$filter": "metadata=a eq 'b'"}
    service.delete(f"{project}/images", params={"imageIds": image})
    assert service.get(f"{project}/images/count", params=view) == 1
    assert service.get(f"{project}/images/count", params={"$filter": view["$filter"]}) == 0


def test_what_has_changed_is_found_at_once(shops: tuple[Service, str, dict[str, list[str]]]) -> None:
    service, project, ids = shops
    text = "metadata=shop eq 'south'"
    assert listed(service, project, text) == ids["south"][::-1]
    moved = {"imageIds": ids["north"][0]}
    expect(service.send("POST", f"{project}/images/metadata", params=moved, json={"shop": "south"}))
    assert listed(service, project, text, orderBy="Oldest") == [ids["north"][0], *ids["south"]]
    service.delete(f"{project}/images", params={"imageIds": ids["south"][0]})
    assert len(listed(service, project, text)) == 3


def test_after_a_change_only_its_images_are_looked_at(
    shops: tuple[Service, str, dict[str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, project, by_shop = shops
    shop = next(iter(by_shop))
    parameters = {"$filter": f"metadata=shop eq '{shop}'"}
    path = f"{project}/images/count"
    assert service.get(path, params=parameters) == len(by_shop[shop])
    looked_at = []
    get = ImageIndex.get

    def spied(self: ImageIndex, project_id: str, revision: int, key: Any, read: Any) -> Any:
        def spied_read(among: Any) -> Any:
            looked_at.append(None if among is None else len(among))
            return read(among)

        return get(self, project_id, revision, key, spied_read)

    monkeypatch.setattr(ImageIndex, "get", spied)
    image = by_shop[shop][0]
    service.post(f"{project}/images/metadata", params={"imageIds": image}, json={"shop": "elsewhere"})
    assert service.get(path, params=parameters) == len(by_shop[shop]) - 1
    tag = service.tag(project, "a tag")
    service.post(f"{project}/images/tags", json={"tags": [{"imageId": image, "tagId": tag}]})
    assert service.get(path, params=parameters) == len(by_shop[shop]) - 1
    assert looked_at == [1, 1]


@pytest.mark.parametrize("path", ["/images", "/images/count"])
@pytest.mark.parametrize("text", ["x", "metadata=a eq", "metadata=" + "a eq 'b' or " * 3000])
def test_a_filter_that_does_not_parse_is_refused(service: Service, path: str, text: str) -> None:
    project = service.project()
    status, code, message = service.refused("GET", f"{project}{path}", params={"$filter": text})
    assert (status, code) == (400, "BadRequest")
    assert "$filter" in message


def test_a_filter_of_100_kb_is_refused_over_a_socket(live: LiveServer) -> None:
    path = f"{training_path(live.project())}/images"
    # Above 64 KB, the HTTP parser does not parse it alone.
    for kilobytes in (60, 100):
        # Not with the client of the harness, which does not send such URLs.
        connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=PATIENCE_SECONDS)
        query = "metadata=" + "a" * (kilobytes * 1000)
        connection.request("GET", f"{path}?$filter={query}", headers={"Training-Key": TRAINING_KEY})
        response = connection.getresponse()
        body = json.loads(response.read())
        assert (response.status, body["code"]) == (400, "BadRequest")
        assert body["message"].startswith(f"$filter has {len(query)} characters; at most")
        connection.close()


def test_operations_of_before_3_3_know_no_filter(service: Service) -> None:
    project = service.project()
    service.images(project, pictures(2))
    for path in ("/images/untagged", "/images/tagged"):
        assert isinstance(service.get(f"{project}{path}", params={"$filter": "x"}, version="v3.0"), list)
