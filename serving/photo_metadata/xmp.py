"""XMP packets: the keywords in them, and an answer added to what is there.

Everything else of a packet stays: other properties, other keywords, names of namespaces.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NoReturn
from xml.dom.minidom import Attr, CDATASection, Document, Element, Text, parseString
from xml.parsers.expat import ExpatError, ParserCreate

from serving.photo_metadata.answer import ROOT, SEPARATOR, AnswerMetadata, MetadataError

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC = "http://purl.org/dc/elements/1.1/"
LIGHTROOM = "http://ns.adobe.com/lightroom/1.0/"
SERVERY = "urn:uuid:5f0d7c0e-3a3c-4b8e-9d53-6c1f0a7f2b11#"
"""Of Class, Score, Model, Version and Keywords: what we say, and which keywords are ours."""
MAX_BYTES = 4 * 2**20
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_XMLNS = "http://www.w3.org/2000/xmlns/"
_META = "adobe:ns:meta/"
_BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
_END = '<?xpacket end="w"?>'
_EMPTY = (
    f'<x:xmpmeta xmlns:x="{_META}"><rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about=""/>'
    "</rdf:RDF></x:xmpmeta>"
)
_ADVICE = "Write the answer into a sidecar, or repair the metadata with a photo program."


class Xmp:
    """A packet that was read, or a new one."""

    def __init__(self, packet: bytes | None = None) -> None:
        """Raises MetadataError if `packet` cannot be read."""
        self._document = _parsed(packet if packet is not None else _EMPTY.encode())
        roots = self._document.getElementsByTagNameNS(RDF, "RDF")
        if not roots:
            raise MetadataError("The XMP metadata have no RDF in them.", _ADVICE)
        self._root: Element = roots[0]

    @property
    def keywords(self) -> list[str]:
        """The keywords (dc:subject), in order."""
        return self._values(DC, "subject")

    @property
    def own_keywords(self) -> list[str]:
        """Those of the keywords that Servery wrote."""
        return self._values(SERVERY, "Keywords")

    def add(self, answer: AnswerMetadata, elsewhere: Collection[str] = ()) -> None:
        """Add an answer, in place of an earlier one of ours.

        Keywords that are `elsewhere` in the metadata of the photo are no less somebody else's.
        """
        before = self.own_keywords
        for item in list(self._items(DC, "subject")):
            if _text(item) in before:
                _remove(item)
        for item in list(self._items(LIGHTROOM, "hierarchicalSubject")):
            if _text(item).startswith(f"{ROOT}{SEPARATOR}"):
                _remove(item)
        is_missing = answer.class_name not in self.keywords
        is_ours = is_missing and answer.class_name not in set(elsewhere).difference(before)
        for place in list(self._root.getElementsByTagNameNS(SERVERY, "*")):
            if place.parentNode is not None:
                _remove(place)
        for description in self._descriptions():
            for number in range(description.attributes.length - 1, -1, -1):
                attribute = description.attributes.item(number)
                if isinstance(attribute, Attr) and attribute.namespaceURI == SERVERY:
                    description.removeAttributeNode(attribute)
        if is_missing:
            self._append(DC, "dc:subject", answer.class_name)
        self._append(LIGHTROOM, "lr:hierarchicalSubject", answer.hierarchical)
        for name, value in _own_properties(answer):
            self._description().appendChild(self._element(SERVERY, f"servery:{name}", value))
        if is_ours:
            self._append(SERVERY, "servery:Keywords", answer.class_name)

    def to_bytes(self) -> bytes:
        """Return the packet, in UTF-8; raises MetadataError if it is nested too deep."""
        try:
            top = self._document.documentElement
            assert top is not None
            text = top.toxml()
        except RecursionError as error:
            raise MetadataError("The XMP metadata are nested too deep.", _ADVICE) from error
        return f"{_BEGIN}\n{text}\n{_END}".encode()

    def _values(self, namespace: str, name: str) -> list[str]:
        return [text for text in map(_text, self._items(namespace, name)) if text]

    def _items(self, namespace: str, name: str) -> Iterator[Element]:
        """Yield the items of a property, or the property itself if it has one value alone."""
        for place in self._root.getElementsByTagNameNS(namespace, name):
            items = place.getElementsByTagNameNS(RDF, "li")
            yield from items or [place]

    def _append(self, namespace: str, name: str, value: str) -> None:
        """Add a value to a property that has several; to the first bag if there is one."""
        for place in self._root.getElementsByTagNameNS(namespace, name.partition(":")[2]):
            for bag in place.childNodes:
                if isinstance(bag, Element) and bag.namespaceURI == RDF:
                    prefix = f"{bag.prefix}:" if bag.prefix else ""
                    item = self._document.createElementNS(RDF, f"{prefix}li")
                    item.appendChild(self._document.createTextNode(value))
                    bag.appendChild(item)
                    return
        place = self._element(namespace, name)
        bag = self._element(RDF, "rdf:Bag")
        item = self._document.createElementNS(RDF, "rdf:li")
        item.appendChild(self._document.createTextNode(value))
        bag.appendChild(item)
        place.appendChild(bag)
        self._description().appendChild(place)

    def _element(self, namespace: str, name: str, text: str = "") -> Element:
        element = self._document.createElementNS(namespace, name)
        # Declared where it is used: around it, the prefix may mean something else, or nothing.
        element.setAttributeNS(_XMLNS, f"xmlns:{name.partition(':')[0]}", namespace)
        if text:
            element.appendChild(self._document.createTextNode(text))
        return element

    def _descriptions(self) -> list[Element]:
        return [
            child
            for child in self._root.childNodes
            if isinstance(child, Element) and child.namespaceURI == RDF
        ]

    def _description(self) -> Element:
        """Return the first description, or a new one."""
        for found in self._descriptions():
            return found
        element = self._element(RDF, "rdf:Description")
        element.setAttributeNS(RDF, "rdf:about", "")
        self._root.appendChild(element)
        return element


def _own_properties(answer: AnswerMetadata) -> Iterator[tuple[str, str]]:
    yield "Class", answer.class_name
    if answer.score is not None:
        yield "Score", f"{answer.score:.6f}"
    if answer.model:
        yield "Model", answer.model
    if answer.version is not None:
        yield "Version", str(answer.version)


def _parsed(packet: bytes) -> Document:
    if len(packet) > MAX_BYTES:
        raise MetadataError("The XMP metadata are too large to be read.", _ADVICE)
    # Of what fills up a packet; in UTF-16, zeros belong to the characters.
    text = packet if packet[:2] in _UTF16 else packet.rstrip(b"\0 \r\n\t")
    try:
        _refuse_declarations(text)
        return parseString(text)
    except (ExpatError, ValueError, LookupError, RecursionError) as error:
        raise MetadataError("The XMP metadata of the photo cannot be read.", _ADVICE) from error


def _refuse_declarations(packet: bytes) -> None:
    """Raise ValueError if XML has a document type, which XMP never has.

    All that makes XML dangerous to read begins there: entities that grow, or that name files.
    """

    def refuse(*_: object) -> NoReturn:
        raise ValueError("a document type")

    parser = ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(packet, True)


def _text(element: Element) -> str:
    texts = (node.data for node in element.childNodes if isinstance(node, Text | CDATASection))
    return "".join(texts).strip()


def _remove(element: Element) -> None:
    assert element.parentNode is not None
    element.parentNode.removeChild(element)
