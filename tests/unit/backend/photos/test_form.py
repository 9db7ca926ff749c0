from __future__ import annotations

from typing import Any

import httpx
import pytest

from backend.photos.form import MAX_FIELDS_BYTES, MalformedForm, boundary_of, read_form


def encoded(**parts: Any) -> tuple[bytes, bytes]:
    request = httpx.Request("POST", "http://localhost/", **parts)
    return request.read(), boundary_of(request.headers["content-type"])


@pytest.mark.parametrize(
    "content",
    [b"", b"\r\n", b"-", b"\r\n--", b"\r\n\r\n" * 50, bytes(range(256)) * 40, b"\r" * 100_000],
)
def test_what_a_client_encodes_is_found(content: bytes) -> None:
    body, boundary = encoded(
        files={"file": ('é "quoted".jpg', content)}, data={"class": "Katze groß", "model": ""}
    )
    form = read_form(body, boundary)
    begin, end = form.named("file")[0].place
    assert body[begin:end] == content
    assert form.fields == {"class": "Katze groß", "model": ""}


def test_text_before_the_form_is_no_part_of_it() -> None:
    body, boundary = encoded(files={"file": ("a.jpg", b"photo")})
    form = read_form(b"for old mail readers\r\n" + body, boundary)
    assert [file.field for file in form.files] == ["file"]


def whole(*parts: bytes) -> bytes:
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"


NAMED = b"Content-Disposition: form-data; name=%b\r\n\r\n%b"
FILE = b"Content-Disposition: form-data; name=%b; filename=x\r\n\r\n%b"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b",
        b"--b\r\n",
        b"--c--\r\n",
        whole(NAMED % (b"a", b"1"))[:-6],
        whole(b"no head"),
        whole(b"Content-Type: text/plain\r\n\r\nx"),
        whole(b"X: " + b"x" * 20_000 + b"\r\n\r\n"),
        whole(*[NAMED % (b"a%d" % number, b"1") for number in range(9)]),
        whole(FILE % (b"file", b"1"), NAMED % (b"file", b"\xff")),
        whole(NAMED % (b"a", b"1" * (MAX_FIELDS_BYTES + 1))),
        whole(NAMED % (b"a", b"\xff")),
        whole(FILE % (b"file", b"1"), FILE % (b"other", b"2")),
    ],
)
def test_broken_form_is_a_sentence(body: bytes) -> None:
    with pytest.raises(MalformedForm, match=r"^[A-Z].*\.$"):
        read_form(body, b"b")


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=", ""])
def test_form_without_a_boundary_is_broken(kind: str) -> None:
    with pytest.raises(MalformedForm):
        boundary_of(kind)


@pytest.mark.parametrize(
    "content", [b"\x89PNG", b"\xff\xd8\xff photo \r\n", b"x" * (MAX_FIELDS_BYTES + 1)]
)
def test_the_field_of_the_file_is_a_file_without_a_name_too(content: bytes) -> None:
    body = whole(NAMED % (b"file", content), NAMED % (b"class", b"cat"))
    form = read_form(body, b"b")
    begin, end = form.named("file")[0].place
    assert body[begin:end] == content
    assert (form.fields, form.files[0].name) == ({"class": "cat"}, "")
