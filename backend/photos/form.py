"""Finds the file and the fields in the body of a form (multipart/form-data)."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field

MAX_FIELDS, MAX_FIELDS_BYTES, MAX_FILES = 8, 16 * 1024, 1
MAX_HEADER_BYTES = 8 * 1024
FILE_FIELD = "file"
"""The field that a photo or a zip file is sent in."""

Body = bytes | mmap.mmap


class BrokenForm(ValueError):
    """The body is not the form that it is declared to be; the text is a sentence."""


@dataclass
class Form:
    """What was found.

    A part with a file name is a file, and so is FILE_FIELD if it is no text.
    """

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Where each begins in the body, and where it ends."""
    file_names: dict[str, str] = field(default_factory=dict)
    fields_bytes: int = 0


def boundary_of(content_type: str) -> bytes:
    """Return the boundary in a Content-Type header; raises BrokenForm if there is none."""
    from python_multipart.multipart import parse_options_header

    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not 1 <= len(boundary) <= 200:
        raise BrokenForm("The form has no boundary.")
    return boundary


def read_form(body: Body, boundary: bytes) -> Form:
    """Return the parts of a form, by searching for its boundary; raises BrokenForm.

    The content of files is not touched.
    """
    form = Form()
    delimiter = b"\r\n--" + boundary
    first = body.find(delimiter[2:])
    if first < 0 or (first > 0 and body[first - 2 : first] != b"\r\n"):
        raise BrokenForm("The form does not begin with its boundary.")
    position = first + len(delimiter) - 2
    while True:
        after = body[position : position + 2]
        if after == b"--":
            return form
        if after != b"\r\n":
            raise BrokenForm("The form is cut off.")
        end_of_head = body.find(b"\r\n\r\n", position, position + MAX_HEADER_BYTES)
        if end_of_head < 0:
            raise BrokenForm("A part of the form has no head.")
        begin = end_of_head + 4
        # A part without content ends with the line break that also ends its head.
        end = body.find(delimiter, end_of_head + 2)
        if end < 0:
            raise BrokenForm("The form is cut off.")
        _add_part(form, body, body[position + 2 : end_of_head], begin, max(begin, end))
        position = end + len(delimiter)


def _add_part(form: Form, body: Body, head: bytes, begin: int, end: int) -> None:
    from python_multipart.multipart import parse_options_header

    options: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.strip().lower() == b"content-disposition":
            options = parse_options_header(value.strip())[1]
    if b"name" not in options:
        raise BrokenForm("A part of the form has no name.")
    name = options[b"name"].decode("utf-8", "replace")
    # `curl -F "file=<photo.jpg"` sends a file without its name.
    nameless = name == FILE_FIELD and not _is_short_text(body, begin, end)
    if b"filename" in options or nameless:
        if len(form.files) >= MAX_FILES:
            raise BrokenForm("The form has more than one file in it.")
        form.files[name] = (begin, end)
        if b"filename" in options:
            form.file_names[name] = options[b"filename"].decode("utf-8", "replace")
        return
    form.fields_bytes += end - begin + len(name)
    if len(form.fields) >= MAX_FIELDS or form.fields_bytes > MAX_FIELDS_BYTES:
        raise BrokenForm("The form has too many fields, or too large ones.")
    try:
        form.fields[name] = body[begin:end].decode("utf-8")
    except UnicodeDecodeError as error:
        raise BrokenForm(f"The field {name} of the form is not UTF-8.") from error


def _is_short_text(body: Body, begin: int, end: int) -> bool:
    if end - begin > MAX_FIELDS_BYTES:
        return False
    try:
        body[begin:end].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
