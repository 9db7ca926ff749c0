"""Requests as programs send them by mistake: answered, or refused with the true cause."""

from __future__ import annotations

import gzip
import zlib

import httpx
import pytest

from tests.support.backend_env import MODEL, Service
from tests.support.problems import PROBLEM_FIELDS
from tests.support.sample_images import image_bytes

WEB_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
"""What curl declares unless it is told otherwise."""
NINES = "9" * 30
NUMBERS = (f"{2**63}", f"-{2**63 + 1}", NINES, f"-{NINES}", "9" * 4000, "-" + "9" * 4000, "-1", "0")


def is_refused(answer: httpx.Response) -> bool:
    """Say whether it is refused with sentences, and not because something broke."""
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == PROBLEM_FIELDS
    assert answer.json()["status"] == answer.status_code
    assert all(answer.json().values())
    return 400 <= answer.status_code < 500


@pytest.mark.parametrize("origin", [b"http://[", b"http://[::1", b"http://]", b"//", b"\xe9"])
async def test_an_origin_that_is_none_is_another_site(service: Service, origin: bytes) -> None:
    headers = {b"Origin": origin}
    answer = await service.http.post("/labels?class=cat", headers=headers, content=image_bytes())
    assert answer.status_code == 403
    assert is_refused(answer)
    assert (await service.http.get("/health", headers=headers)).status_code == 200


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:12])
async def test_a_number_that_nothing_has_is_not_found(service: Service, number: str) -> None:
    for method, path in (
        ("DELETE", f"/labels/{number}"),
        ("POST", f"/models/{MODEL}/versions/{number}/promote"),
        ("PUT", f"/models/{MODEL}/versions/{number}/pinned"),
        ("DELETE", f"/models/{MODEL}/versions/{number}"),
        ("GET", f"/models/{MODEL}/versions/{number}/report"),
        ("GET", f"/models/{MODEL}/versions/{number}/trust"),
        ("GET", f"/models/{MODEL}/photos?count={number}"),
        ("GET", f"/training/{number}"),
        ("DELETE", f"/training/{number}"),
        ("GET", f"/images/{number}"),
        ("POST", f"/deleted/{number}/restore"),
    ):
        assert is_refused(await service.http.request(method, path)), (method, path)


async def test_a_photo_is_one_whatever_curl_declares(service: Service) -> None:
    photo = image_bytes()
    answer = await service.http.post("/classify", content=photo, headers=WEB_FORM)
    assert (answer.status_code, service.classifier.received) == (200, [photo])
    answer = await service.http.post("/labels?class=cat", content=photo, headers=WEB_FORM)
    assert answer.status_code == 201
    png = image_bytes(form="PNG")
    answer = await service.http.post("/classify", content=png, headers=WEB_FORM)
    assert answer.status_code == 200
    for body in (b"file=photo.jpg", b"class=cat&model=farm", b"@photo.jpg"):
        answer = await service.http.post("/classify", content=body, headers=WEB_FORM)
        assert is_refused(answer)
        assert answer.json()["detail"] == "The request has no photo in it."


async def test_a_file_that_is_sent_as_a_field_is_the_photo(service: Service) -> None:
    for photo in (image_bytes("red"), image_bytes("blue", "PNG"), image_bytes(size=(900, 700))):
        # As `curl -F "file=<photo.jpg"` does.
        answer = await service.http.post("/classify", files={"file": (None, photo)})
        assert answer.status_code == 200
    assert service.classifier.received[0] == image_bytes("red")


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "br", "gzip, identity"])
async def test_a_compressed_body_is_refused_as_one(service: Service, encoding: str) -> None:
    pack = zlib.compress if encoding == "deflate" else gzip.compress
    headers = {"Content-Encoding": encoding}
    json = {**headers, "Content-Type": "application/json"}
    for method, path, body, sent in (
        ("POST", "/classify", image_bytes(), headers),
        ("POST", "/labels?class=cat", image_bytes(), headers),
        ("PATCH", f"/models/{MODEL}", b'{"keep_versions": 3}', json),
        ("POST", f"/models/{MODEL}/import", b"PK", headers),
    ):
        answer = await service.http.request(method, path, content=pack(body), headers=sent)
        assert answer.status_code == 415
        assert is_refused(answer)
        assert "compressed" in answer.json()["detail"]
    plain = {"Content-Encoding": "identity"}
    answer = await service.http.post("/classify", content=image_bytes(), headers=plain)
    assert answer.status_code == 200


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", ""])
async def test_json_that_is_not_declared_is_refused_for_that(service: Service, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    for method, path in (("POST", "/models"), ("PATCH", f"/models/{MODEL}")):
        body = b'{"name": "new", "backbone": "farm"}'
        answer = await service.http.request(method, path, content=body, headers=headers)
        assert is_refused(answer)
        assert "Content-Type: application/json" in answer.json()["advice"]


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/page.css", "/icon.svg", "/healthz", "/health", "/readyz", "/models", "/labels"),
        *("/training", "/built-in", f"/models/{MODEL}/versions", "/openapi.json", "/nothing"),
    ],
)
async def test_head_is_answered_as_get_without_a_body(service: Service, path: str) -> None:
    head, get = await service.http.head(path), await service.http.get(path)
    assert head.status_code == get.status_code
    assert head.content == b""
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.headers["content-type"] == get.headers["content-type"]


async def test_a_wrong_method_is_answered_with_the_right_ones(service: Service) -> None:
    for path, allowed in (
        ("/labels", "GET, HEAD, POST"),
        (f"/models/{MODEL}", "DELETE, GET, HEAD, PATCH"),
        ("/classify", "POST"),
    ):
        answer = await service.http.put(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
        assert is_refused(answer)


async def test_head_of_what_has_no_end_ends(service: Service) -> None:
    assert (await service.http.head("/events")).status_code == 405


async def test_a_labelled_photo_is_found_by_head(service: Service) -> None:
    label = await service.client.label(image_bytes(), "cat")
    head = await service.http.head(f"/images/{label.image}")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == len(image_bytes())


async def test_an_empty_key_is_none(service: Service) -> None:
    for number in range(3):
        answer = await service.http.post(
            "/labels?class=cat", headers={"Idempotency-Key": ""}, content=image_bytes("red")
        )
        assert (answer.status_code, answer.json()["id"]) == (201, number + 1)
