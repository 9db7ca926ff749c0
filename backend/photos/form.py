"""Finds the file and the fields in the body of a form (multipart/form-data)."""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field

MAX_FIELDS, MAX_FIELDS_BYTES = 8, 16 * 1024
MAX_HEADER_BYTES = 8 * 1024
FILE_FIELD = "file"
"""The field that a photo or a zip file is sent in."""

Body = bytes | mmap.mmap


class MalformedForm(ValueError):
    """The body is not the form that it is declared to be; the text is a sentence."""


@dataclass(frozen=True)
class FormFile:
    field: str
    place: tuple[int, int]
    """Where it begins in the body, and where it ends."""
    name: str
    """Of the file, if the form says it."""


@dataclass
class Form:
    """What was found.

    A part with a file name is a file, and so is FILE_FIELD if it is no text.
    """

    fields: dict[str, str] = field(default_factory=dict)
    files: list[FormFile] = field(default_factory=list)
    fields_bytes: int = 0

    def named(self, name: str) -> list[FormFile]:
        """Return the files in the field `name`."""
        return [file for file in self.files if file.field == name]


def boundary_of(content_type: str) -> bytes:
    """Return the boundary in a Content-Type header; raises MalformedForm if there is none."""
    from python_multipart.multipart import parse_options_header

    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not 1 <= len(boundary) <= 200:
        raise MalformedForm("The form has no boundary.")
    return boundary


def read_form(body: Body, boundary: bytes, max_files: int = 1) -> Form:
    """Return the parts of a form, by searching for its boundary; raises MalformedForm.

    The content of files is not touched. With more than `max_files` of them, it is refused.
    """
    form = Form()
    delimiter = b"\r\n--" + boundary
    first = body.find(delimiter[2:])
    if first < 0 or (first > 0 and body[first - 2 : first] != b"\r\n"):
        raise MalformedForm("The form does not begin with its boundary.")
    position = first + len(delimiter) - 2
    while True:
        after = body[position : position + 2]
        if after == b"--":
            return form
        if after != b"\r\n":
            raise MalformedForm("The form is cut off.")
        end_of_head = body.find(b"\r\n\r\n", position, position + MAX_HEADER_BYTES)
        if end_of_head < 0:
            raise MalformedForm("A part of the form has no head.")
        begin = end_of_head + 4
        # A part without content ends with the line break that also ends its head.
        end = body.find(delimiter, end_of_head + 2)
        if end < 0:
            raise MalformedForm("The form is cut off.")
        place = (begin, max(begin, end))
        _add_part(form, body, body[position + 2 : end_of_head], place, max_files)
        position = end + len(delimiter)


def _add_part(form: Form, body: Body, head: bytes, place: tuple[int, int], max_files: int) -> None:
    from python_multipart.multipart import parse_options_header

    options: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.strip().lower() == b"content-disposition":
            options = parse_options_header(value.strip())[1]
    if b"name" not in options:
        raise MalformedForm("A part of the form has no name.")
    name = options[b"name"].decode("utf-8", "replace")
    begin, end = place
    # `curl -F "file=<photo.jpg"` sends a file without its name.
    nameless = name == FILE_FIELD and not _is_short_text(body, begin, end)
    if b"filename" in options or nameless:
        if len(form.files) >= max_files:
            limit = "one file" if max_files == 1 else f"{max_files} files"
            raise MalformedForm(f"The form has more than {limit} in it.")
        file_name = options.get(b"filename", b"").decode("utf-8", "replace")
        form.files.append(FormFile(name, place, file_name))
        return
    form.fields_bytes += end - begin + len(name)
    if len(form.fields) >= MAX_FIELDS or form.fields_bytes > MAX_FIELDS_BYTES:
        raise MalformedForm("The form has too many fields, or too large ones.")
    try:
        form.fields[name] = body[begin:end].decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedForm(f"The field {name} of the form is not UTF-8.") from error


def _is_short_text(body: Body, begin: int, end: int) -> bool:
    if end - begin > MAX_FIELDS_BYTES:
        return False
    try:
        body[begin:end].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
