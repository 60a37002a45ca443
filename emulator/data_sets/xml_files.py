"""XML files, one element after the other. Entities and document types with them are refused."""

from collections.abc import Callable, Collection, Iterator
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import quoteattr

from emulator.data_sets.files import Files, unreadable
from emulator.data_sets.record import DataSetUnreadable, Place
from emulator.zip_archives import DAMAGED

_DEEPEST = 50
_CHUNK_BYTES = 2**16
# The attribute with the line of an element; no name of XML begins like this.
_LINE = "\0line"


def elements(files: Files, name: str, *wanted: str) -> Iterator[tuple[Element, Place]]:
    """The outermost elements with these names, in their order, each with its place.

    The file is read meanwhile, so that only some of its elements are in memory. Raises DataSetUnreadable.
    """
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser

    builder = _Builder(wanted)
    parser = DefusedXMLParser(target=builder, forbid_dtd=False, forbid_entities=True, forbid_external=True)
    builder.line_of = lambda: parser.parser.CurrentLineNumber
    try:
        with files.open(name) as file:
            while chunk := file.read(_CHUNK_BYTES):
                parser.feed(chunk)
                yield from builder.take(name)
            parser.close()
            yield from builder.take(name)
    except DefusedXmlException:
        line = builder.line_of()
        raise DataSetUnreadable("It has XML entities, which are not read.", name, line) from None
    except ParseError as error:
        reason = str(error).partition(":")[0]
        raise DataSetUnreadable(f"It is not XML: {reason}.", name, error.position[0]) from None
    except RecursionError:
        raise DataSetUnreadable("Its elements are nested too deeply.", name) from None
    except DAMAGED as error:
        raise unreadable(name, error) from None


class _Builder:
    """Builds the wanted elements with what they contain, and nothing else.

    line_of: the number of the line that the parser reads.
    """

    def __init__(self, wanted: Collection[str]) -> None:
        self._wanted = wanted
        self._open: list[Element] = []
        self._done: list[Element] = []
        self.line_of: Callable[[], int] = lambda: 1

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._open and tag not in self._wanted:
            return
        element = Element(tag, attributes)
        element.set(_LINE, str(self.line_of()))
        if len(self._open) > _DEEPEST:
            raise RecursionError
        if self._open:
            self._open[-1].append(element)
        self._open.append(element)

    def data(self, text: str) -> None:
        if self._open:
            element = self._open[-1]
            element.text = (element.text or "") + text

    def end(self, tag: str) -> None:
        if self._open:
            element = self._open.pop()
            if not self._open:
                self._done.append(element)

    def close(self) -> None:
        """Part of the interface of a parser's target; nothing is left to do."""

    def take(self, name: str) -> Iterator[tuple[Element, Place]]:
        """The elements that are complete, each once."""
        done, self._done = self._done, []
        for element in done:
            yield element, place_of(element, name)


def place_of(element: Element, file: str) -> Place:
    """Where an element begins."""
    return Place(file, int(element.get(_LINE, "1")))


def text_of(element: Element, path: str) -> str | None:
    """The text of an element within another, without blanks around it; None when there is none."""
    found = element.findtext(path)
    return found.strip() if found is not None and found.strip() else None


def attribute(value: object) -> str:
    """A value as a quoted attribute. Characters that XML cannot have are left out."""
    return quoteattr(cleaned(str(value)))


def cleaned(text: str) -> str:
    """The text without characters that XML cannot have."""
    return "".join(character for character in text if ord(character) >= 32 or character in "\t\n\r")
