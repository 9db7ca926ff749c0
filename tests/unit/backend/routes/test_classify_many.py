"""POST /classify with several photos, with JSON, and by callers who do not wait for ever."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from backend.http_errors import HttpError
from backend.photos.json_photos import MAX_JSON_BYTES
from backend.photos.request_queue import RequestQueue
from backend.routes.classify import MAX_PHOTOS
from serving.errors import FleetUnavailable, ImageError, ModelNotServed
from serving.normalize_image import normalize_image
from serving.predict.prediction import Prediction
from tests.support.backend_env import Service
from tests.support.problems import PROBLEM_FIELDS
from tests.support.sample_images import image_bytes
from tests.support.waiting import wait_until

RED, BLUE = image_bytes("red"), image_bytes("blue")


def base64_of(photo: bytes) -> str:
    return base64.b64encode(photo).decode()


async def test_each_of_several_files_gets_an_answer_or_an_error(service: Service) -> None:
    files = [("file", ("a.jpg", RED)), ("file", ("b.txt", b"text")), ("file", ("c.png", BLUE))]
    answer = await service.http.post("/classify?top=1", files=files)
    assert answer.status_code == 200
    first, second, third = answer.json()
    assert [each["file"] for each in answer.json()] == ["a.jpg", "b.txt", "c.png"]
    assert first["result"]["image"] == hashlib.sha256(RED).hexdigest()
    assert first["result"]["scores"] == [{"name": "cat", "score": 0.9}]
    assert (second["result"], set(second["problem"])) == (None, PROBLEM_FIELDS)
    assert second["problem"]["status"] == 415
    assert second["problem"]["type"] == "urn:servery:not-an-image"
    assert third["problem"] is None
    assert sorted(service.classifier.received) == sorted([RED, BLUE])


async def test_photos_larger_than_memory_keeps_are_found_too(service: Service) -> None:
    photos = [image_bytes(color, "PNG", size=(900, 700)) for color in ("red", "lime")]
    padding = ("file", ("large.bin", bytes(3 * 2**20)))
    files = [("file", ("photo.png", photo)) for photo in photos]
    answer = await service.http.post("/classify", files=[*files, padding])
    statuses = [(each["problem"] or {"status": 200})["status"] for each in answer.json()]
    assert statuses == [200, 200, 415]


async def test_damage_that_the_model_finds_is_said_as_everywhere(service: Service) -> None:
    whole = image_bytes(size=(300, 300))
    at = whole.rindex(b"\xff\xc4")  # without this table of codes, nothing can be decoded
    damaged = whole[: at + 2] + bytes(4) + whole[at + 6 :]
    service.classifier.failure = ImageError("The model cannot decode it.", "Save it again.")
    answers = [await service.http.post("/classify", content=body) for body in (whole, damaged)]
    assert [answer.status_code for answer in answers] == [422, 422]
    said = [answer.json()["detail"] for answer in answers]
    with pytest.raises(ImageError) as caught:
        normalize_image(damaged)
    assert said == ["The model cannot decode it.", caught.value.what]


async def test_a_defect_costs_one_photo_alone(service: Service) -> None:
    async def classify(jpeg: bytes, *_: Any, **__: Any) -> Prediction:
        if jpeg == RED:
            raise RuntimeError("a defect")
        raise FleetUnavailable("No instance is ready.", "Start one.")

    service.classifier.classify = classify  # type: ignore[method-assign]
    files = [("file", ("a", RED)), ("file", ("b", BLUE))]
    answer = await service.http.post("/classify", files=files)
    problems = [each["problem"] for each in answer.json()]
    assert [problem["status"] for problem in problems] == [500, 503]
    assert "defect" not in answer.text


async def test_too_many_files_are_refused(service: Service) -> None:
    files = [("file", ("a", b"x"))] * (MAX_PHOTOS + 1)
    answer = await service.http.post("/classify", files=files)
    assert (answer.status_code, service.classifier.received) == (400, [])
    assert str(MAX_PHOTOS) in answer.json()["detail"]
    answer = await service.http.post("/labels?class=cat", files=files[:2])
    assert answer.status_code == 400


async def test_photos_come_as_json_too(service: Service) -> None:
    answer = await service.http.post("/classify", json={"image": base64_of(RED), "top": 1})
    assert answer.json()["scores"] == [{"name": "cat", "score": 0.9}]
    url = f"data:image/jpeg;base64,{base64_of(BLUE)}"
    answer = await service.http.post("/classify", json={"images": [url], "version": "3"})
    assert [each["result"]["version"] for each in answer.json()] == [3]
    assert service.classifier.received == [RED, BLUE]


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[" * 100_000, b"[1]", b"{}", b"null", b'{"image": 1}', b'{"images": []}'),
        *(b'{"images": "x"}', b'{"image": "\xff"}', b'{"image": "?"}', b'{"image": "", "top": -1}'),
        *(
            b'{"image": "", "top": []}',
            b'{"image": "", "images": [""]}',
            b'{"a": [1' + b",1" * 9999,
        ),
        *(b'{"image": "", "top": ' + b"9" * 5000 + b"}", b'{"image": ""}'),
    ],
)
async def test_json_without_photos_is_refused(service: Service, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await service.http.post("/classify", content=body, headers=headers)
    assert (answer.status_code, set(answer.json())) == (400, PROBLEM_FIELDS), answer.text


async def test_json_with_too_large_photos_is_refused_unread(service: Service) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": str(MAX_JSON_BYTES + 1)}
    answer = await service.http.post("/classify", content=b"", headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize("query", ["top=0", "top=x", "version=0", "timeout=0", "timeout=nan"])
async def test_a_number_out_of_its_range_is_refused(service: Service, query: str) -> None:
    answer = await service.http.post(f"/classify?{query}", content=RED)
    assert (answer.status_code, service.classifier.received) == (400, [])


async def test_a_version_that_is_not_loaded_is_a_conflict(service: Service) -> None:
    service.classifier.failure = ModelNotServed("Version 9 is not loaded.", "Make it live.")
    answer = await service.http.post("/classify?version=9", content=RED)
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:servery:model-not-served"


@pytest.fixture
def held(service: Service) -> list[str]:
    """Has every photo wait without end; what becomes of them is in the list."""
    seen: list[str] = []

    async def classify(*_: Any, **__: Any) -> Prediction:
        seen.append("began")
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("ended")
        raise AssertionError

    service.classifier.classify = classify  # type: ignore[method-assign]
    return seen


@pytest.mark.parametrize("as_json", [True, False])
async def test_each_of_several_photos_takes_a_place(
    service: Service, held: list[str], as_json: bool
) -> None:
    files = [("file", ("a.jpg", RED))] * 3
    body = {"json": {"images": [base64_of(RED)] * 3}} if as_json else {"files": files}
    service.queue.limit = 4
    waiting = asyncio.create_task(service.http.post("/classify", **body))
    await wait_until(lambda: held.count("began") == 3)
    assert service.queue.length == 3
    refused = await service.http.post("/classify", files=files[:2])
    assert refused.status_code == 429
    assert "3 of the 4 places" in refused.json()["detail"]
    assert "takes 2" in refused.json()["detail"]
    assert service.queue.length == 3
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert service.queue.length == 0


async def test_more_photos_than_there_are_places_are_answered_alone(service: Service) -> None:
    service.queue.limit = 2
    answer = await service.http.post("/classify", files=[("file", ("a.jpg", RED))] * 3)
    assert [each["problem"] for each in answer.json()] == [None] * 3
    assert service.queue.length == 0


@pytest.mark.parametrize("by_header", [True, False])
async def test_what_is_past_its_deadline_is_cancelled(
    service: Service, held: list[str], by_header: bool
) -> None:
    headers = {"X-Request-Timeout": "0.05"} if by_header else {}
    query = "" if by_header else "?timeout=0.05"
    answer = await service.http.post(f"/classify{query}", content=RED, headers=headers)
    assert (answer.status_code, set(answer.json())) == (504, PROBLEM_FIELDS)
    assert "began" not in held or held[-1] == "ended"


async def test_beyond_the_queue_photos_are_refused_unread(
    service: Service, held: list[str]
) -> None:
    service.queue.limit = 2
    waiting = [asyncio.create_task(service.http.post("/classify", content=RED)) for _ in range(2)]
    await wait_until(lambda: held.count("began") == 2)
    read = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read = True
        yield RED

    answer = await service.http.post("/classify", content=body())
    assert (answer.status_code, read, set(answer.json())) == (429, False, PROBLEM_FIELDS)
    assert int(answer.headers["retry-after"]) >= 1
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert service.queue.length == 0


def scope_of(body_bytes: int) -> dict[str, Any]:
    """Return a request of POST /classify as the server passes it on."""
    headers = [(b"host", b"127.0.0.1"), (b"content-length", str(body_bytes).encode())]
    return {
        "type": "http",
        "method": "POST",
        "path": "/classify",
        "raw_path": b"/classify",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "scheme": "http",
        "http_version": "1.1",
        "state": {},
    }


async def test_what_is_too_large_is_refused_before_it_is_read(service: Service) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("with `Expect: 100-continue`, the client would begin to send")

    async def send(message: Any) -> None:
        sent.append(message)

    await service.app(scope_of(100 * 2**20), receive, send)
    assert sent[0]["status"] == 413


async def test_one_who_leaves_costs_nothing_more(service: Service, held: list[str]) -> None:
    left = asyncio.Event()
    messages = [{"type": "http.request", "body": RED, "more_body": False}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    asking = asyncio.ensure_future(service.app(scope_of(len(RED)), receive, send))
    await wait_until(lambda: held == ["began"])
    left.set()
    await asking
    assert held == ["began", "ended"]
    assert service.queue.length == 0


def test_how_long_to_wait_follows_from_the_rate() -> None:
    now = 0.0
    queue = RequestQueue(4, lambda: now)
    for _ in range(4):
        with queue.place():
            now += 2.0
    places = [queue.place() for _ in range(4)]
    for place in places:
        place.__enter__()
    assert refused_for(queue.place) == 6  # of four answers in 6 s since the first
    now += 1000.0
    assert refused_for(queue.place) == 60


def refused_for(place: Callable[[], Any]) -> int:
    with pytest.raises(HttpError) as refused, place():
        pass
    return refused.value.retry_seconds
