"""POST /classify with `explain`: which parts of a photo speak for a class."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageStat

from backend.explain import PREDICTIONS
from backend.photos.request_queue import RequestQueue
from serving.predict.prediction import Prediction, Score
from tests.support.backend_env import MODEL, Service
from tests.support.sample_images import image_bytes
from tests.support.waiting import wait_until


def photo(form: str = "JPEG", size: tuple[int, int] = (400, 300), **settings: Any) -> bytes:
    """A red thing in the upper left of a blue photo."""
    image = Image.new("RGB", size, "blue")
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 3, size[1] // 3), fill="red")
    content = io.BytesIO()
    image.save(content, form, **settings)
    return content.getvalue()


class RednessClassifier:
    """Answers `red` by how much red is in a photo; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, str | None, int | None]] = []
        self.running = 0

    async def classify(
        self, jpeg: bytes, model: str | None = None, *, version: int | None = None
    ) -> Prediction:
        self.asked.append((jpeg, model, version))
        with Image.open(io.BytesIO(jpeg)) as image:
            red = min(0.95, 5 * ImageStat.Stat(image).mean[0] / 255)
        scores = (Score("red", red), Score("blue", 1 - red))
        return Prediction(model or MODEL, version or 7, scores, "one", 2.0)


@pytest.fixture
def classifier(service: Service) -> RednessClassifier:
    made = RednessClassifier()
    service.classifier.classify = made.classify  # type: ignore[method-assign]
    return made


async def explained(service: Service, content: bytes, explain: str = "true") -> Any:
    answer = await service.http.post(
        "/classify", params={"explain": explain, "top": 1}, content=content
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["explanation"]


async def test_the_part_with_the_thing_speaks_for_the_class(
    service: Service, classifier: RednessClassifier
) -> None:
    found = await explained(service, photo())
    rows = found["importances"]
    assert (found["class_name"], len(rows), len(rows[0])) == ("red", 6, 7)
    highest = max(max(row) for row in rows)
    assert highest == 1.0
    assert max(rows[0][:3] + rows[1][:3]) == highest
    assert all(value < 0.5 for row in rows[4:] for value in row)
    assert found["lowest"] < found["score"] <= 0.95
    # The first names nothing; whoever answered it answers all others.
    assert classifier.asked[0][1:] == (None, None)
    assert {each[1:] for each in classifier.asked[1:]} == {(MODEL, 7)}


async def test_another_class_can_be_named_and_false_asks_for_nothing(
    service: Service, classifier: RednessClassifier
) -> None:
    against = await explained(service, photo(), "blue")
    assert against["class_name"] == "blue"
    assert min(min(row) for row in against["importances"]) == -1.0
    assert await explained(service, photo(), "false") is None
    assert await explained(service, photo(), "") is None


async def test_a_class_that_is_called_true_is_that_class(service: Service) -> None:
    service.classifier.scores = (Score("cat", 0.9), Score("true", 0.1))
    assert (await explained(service, image_bytes()))["class_name"] == "true"


@pytest.mark.parametrize(
    "content",
    [photo("PNG"), photo(size=(90, 60), progressive=True), photo(size=(1800, 40))],
    ids=["PNG", "small and progressive", "panorama"],
)
async def test_any_photo_is_explained(
    service: Service, classifier: RednessClassifier, content: bytes
) -> None:
    assert (await explained(service, content))["class_name"] == "red"
    for jpeg, *_ in classifier.asked[1:]:
        with Image.open(io.BytesIO(jpeg)) as image:
            assert "progressive" not in image.info, "covered photos are made here"
            assert max(image.size) <= 1088


@pytest.mark.parametrize(
    ("explain", "scores", "said"),
    [("zebra", None, "zebra"), ("true", (), "no classes")],
    ids=["not ranked", "a model without classes"],
)
async def test_what_cannot_be_explained_is_422(
    service: Service, explain: str, scores: tuple[Score, ...] | None, said: str
) -> None:
    if scores is not None:
        service.classifier.scores = scores
    answer = await service.http.post(f"/classify?explain={explain}", content=image_bytes())
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert len(service.classifier.received) == 1


async def test_several_photos_are_422_and_not_classified(service: Service) -> None:
    files = [("file", ("a.jpg", image_bytes())), ("file", ("b.jpg", image_bytes()))]
    answer = await service.http.post("/classify?explain=true", files=files)
    assert answer.status_code == 422
    assert "one photo" in answer.json()["detail"]
    assert service.classifier.received == []


async def test_an_explanation_takes_the_places_of_its_predictions(
    service: Service, classifier: RednessClassifier
) -> None:
    lengths = set()
    plain = classifier.classify

    async def noting(*arguments: Any, **named: Any) -> Prediction:
        lengths.add(service.queue.length)
        return await plain(*arguments, **named)

    service.classifier.classify = noting  # type: ignore[method-assign]
    await explained(service, photo())
    assert lengths == {PREDICTIONS}
    assert service.queue.length == 0
    with service.queue.place(service.queue.limit - PREDICTIONS + 1):
        answer = await service.http.post("/classify?explain=true", content=photo())
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert (await service.http.post("/classify", content=photo())).status_code == 200


def test_one_that_takes_more_places_than_there_are_is_admitted_alone() -> None:
    queue = RequestQueue(10)
    with queue.place(PREDICTIONS):
        assert queue.length == PREDICTIONS
    assert queue.length == 0


async def test_it_ends_with_its_deadline(service: Service, classifier: RednessClassifier) -> None:
    first = classifier.classify

    async def slow(jpeg: bytes, *arguments: Any, **named: Any) -> Prediction:
        classifier.running += bool(classifier.asked)
        try:
            await asyncio.sleep(60 if classifier.asked else 0)
        finally:
            classifier.running -= bool(classifier.asked)
        return await first(jpeg, *arguments, **named)

    service.classifier.classify = slow  # type: ignore[method-assign]
    answer = await service.http.post("/classify?explain=true&timeout=0.3", content=photo())
    assert answer.status_code == 504
    assert (len(classifier.asked), classifier.running) == (1, 0)
    assert service.queue.length == 0


async def test_one_who_leaves_ends_it(service: Service, classifier: RednessClassifier) -> None:
    left = asyncio.Event()
    content = photo()
    messages = [{"type": "http.request", "body": content, "more_body": False}]
    first = classifier.classify

    async def slow(jpeg: bytes, *arguments: Any, **named: Any) -> Prediction:
        answer = await first(jpeg, *arguments, **named)
        if len(classifier.asked) > 3:
            classifier.running += 1
            try:
                await asyncio.sleep(60)
            finally:
                classifier.running -= 1
        return answer

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pass

    service.classifier.classify = slow  # type: ignore[method-assign]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/classify",
        "query_string": b"explain=true",
        "headers": [(b"host", b"127.0.0.1"), (b"content-length", str(len(content)).encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "scheme": "http",
        "http_version": "1.1",
        "state": {},
    }
    asking = asyncio.ensure_future(service.app(scope, receive, send))
    await wait_until(lambda: classifier.running > 0)
    left.set()
    await asking
    assert classifier.running == 0
    assert len(classifier.asked) < PREDICTIONS
    assert service.queue.length == 0


async def test_the_client_asks_for_it(service: Service, classifier: RednessClassifier) -> None:
    answer = await service.client.explain(photo())
    assert answer.explanation is not None
    assert answer.explanation.class_name == answer.scores[0].name == "red"
    other = await service.client.explain(photo(), "blue", MODEL)
    assert other.explanation is not None
    assert other.explanation.class_name == "blue"
    assert (await service.client.classify(photo())).explanation is None


async def test_the_schema_says_the_units(service: Service) -> None:
    schemas = (await service.http.get("/openapi.json")).json()["components"]["schemas"]
    fields = schemas["Explanation"]["properties"]
    cell = fields["importances"]["items"]["items"]
    assert (cell["minimum"], cell["maximum"]) == (-1, 1)
    assert "log-odds" in fields["scale"]["description"]
    assert schemas["Classification"]["example"]["explanation"]["class_name"] == "otter"
