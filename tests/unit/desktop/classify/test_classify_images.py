from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from desktop.classify.classify_images import classify_images
from serving.errors import FleetUnavailable, ModelError, ServeryError
from serving.image_file import ImageFault, UnusableImage
from serving.predict.prediction import Prediction
from tests.support.predictions import prediction
from tests.support.sample_images import image_bytes, image_file

Answers = dict[Path, Prediction | ServeryError]


@pytest.fixture
def answers() -> Answers:
    return {}


@pytest.fixture
def note(answers: Answers) -> Callable[[Path, Prediction | ServeryError], None]:
    return answers.__setitem__


async def cat(jpeg: bytes) -> Prediction:
    return prediction(("cat", 0.9))


async def test_an_answer_that_is_on_its_way_is_not_asked_for_again(
    tmp_path: Path, answers: Answers, note: Callable[[Path, Prediction | ServeryError], None]
) -> None:
    first, second = (image_file(tmp_path / f"{name}.jpg") for name in ("first", "second"))
    asked: list[bytes] = []

    async def predict(jpeg: bytes) -> Prediction:
        asked.append(jpeg)
        return await cat(jpeg)

    ahead = asyncio.ensure_future(predict(b"ahead"))
    assert await classify_images([first, second], predict, note, begun={first: ahead}) == 2
    assert set(answers) == {first, second}
    assert len(asked) == 2

    async def fail() -> Prediction:
        raise ModelError("It is damaged.", "Copy it again.")

    assert await classify_images([first], predict, note, begun={first: fail()}) == 0
    assert isinstance(answers[first], ModelError)


async def test_each_bad_file_gets_its_own_named_error_and_harms_no_other(
    tmp_path: Path, answers: Answers, note: Callable[[Path, Prediction | ServeryError], None]
) -> None:
    good = image_file(tmp_path / "good.jpg")
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(image_bytes(size=(640, 480))[:900])
    empty = tmp_path / "empty.jpg"
    empty.touch()
    text = tmp_path / "text.jpg"
    text.write_text("hello")
    gone = tmp_path / "gone.jpg"
    mislabelled = image_file(tmp_path / "really_png.jpg", form="PNG")
    photos = [cut, good, empty, text, gone, mislabelled]
    assert await classify_images(photos, cat, note) == 2
    assert set(answers) == set(photos)
    assert isinstance(answers[good], Prediction)
    assert isinstance(answers[mislabelled], Prediction)
    faults = {
        path: error.fault for path, error in answers.items() if isinstance(error, UnusableImage)
    }
    assert faults == {
        cut: ImageFault.DAMAGED,
        empty: ImageFault.EMPTY,
        text: ImageFault.NOT_AN_IMAGE,
    }
    assert isinstance(answers[gone], ServeryError)


async def test_the_instance_gets_normalized_bytes(
    tmp_path: Path, note: Callable[[Path, Prediction | ServeryError], None]
) -> None:
    sent: list[bytes] = []

    async def keep(jpeg: bytes) -> Prediction:
        sent.append(jpeg)
        return prediction(("cat", 1.0))

    jpeg = image_file(tmp_path / "a.jpg")
    png = image_file(tmp_path / "b.png", form="PNG")
    await classify_images([jpeg, png], keep, note, max_concurrency=1)
    assert sent[0] == jpeg.read_bytes()
    assert sent[1].startswith(b"\xff\xd8")


async def test_no_more_are_on_their_way_than_allowed(
    tmp_path: Path, note: Callable[[Path, Prediction | ServeryError], None]
) -> None:
    running = most = 0
    all_slots_used = asyncio.Event()

    async def slow(jpeg: bytes) -> Prediction:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 3:
            all_slots_used.set()
        await all_slots_used.wait()
        await asyncio.sleep(0.01)  # time for one too many to arrive
        running -= 1
        return prediction(("cat", 1.0))

    photos = [image_file(tmp_path / f"{number}.jpg") for number in range(12)]
    await classify_images(photos, slow, note, max_concurrency=3)
    assert most == 3


async def test_progress_ends_with_all_done(
    tmp_path: Path, note: Callable[[Path, Prediction | ServeryError], None]
) -> None:
    steps: list[tuple[int, int, str]] = []
    photos = [image_file(tmp_path / f"{number}.jpg") for number in range(3)]
    await classify_images(photos, cat, note, lambda *step: steps.append(step))
    assert steps[0] == (0, 3, "0 of 3 classified")
    assert steps[-1] == (3, 3, "3 of 3 classified")


async def test_without_a_fleet_all_photos_fail_at_once(
    tmp_path: Path, answers: Answers, note: Callable[[Path, Prediction | ServeryError], None]
) -> None:
    requests = 0

    async def nobody(jpeg: bytes) -> Prediction:
        nonlocal requests
        requests += 1
        raise FleetUnavailable("No instance is ready.", "Start one.")

    photos = [image_file(tmp_path / f"{number}.jpg") for number in range(10)]
    assert await classify_images(photos, nobody, note, max_concurrency=2) == 0
    assert requests <= 2
    assert len(answers) == 10
    assert all(isinstance(answer, FleetUnavailable) for answer in answers.values())


async def test_an_error_of_the_model_concerns_one_photo_only(
    tmp_path: Path, answers: Answers, note: Callable[[Path, Prediction | ServeryError], None]
) -> None:
    bad = image_file(tmp_path / "bad.jpg", color="red")
    good = image_file(tmp_path / "good.jpg", color="blue")

    async def picky(jpeg: bytes) -> Prediction:
        if jpeg == bad.read_bytes():
            raise ModelError("The model refused.", "Try another photo.")
        return prediction(("cat", 1.0))

    assert await classify_images([bad, good], picky, note) == 1
    assert isinstance(answers[bad], ModelError)


@pytest.mark.parametrize("error", [KeyError("tag"), struct.error("short"), RecursionError()])
async def test_what_nobody_thought_of_costs_one_photo_only(
    error: Exception,
    tmp_path: Path,
    answers: Answers,
    note: Callable[[Path, Prediction | ServeryError], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    photos = [image_file(tmp_path / f"{number}.jpg") for number in range(5)]

    def read(path: Path) -> bytes:
        if path == photos[1]:
            raise error
        return path.read_bytes()

    async def picky(jpeg: bytes) -> Prediction:
        return prediction(("cat", 1.0))

    assert await classify_images(photos, picky, note, read=read) == 4
    failed = answers[photos[1]]
    assert isinstance(failed, ServeryError)
    assert failed.what == f"Classifying it failed: {type(error).__name__}."
    assert [record.exc_info[1] for record in caplog.records if record.exc_info] == [error]


async def test_cancelling_leaves_the_rest_unanswered(
    tmp_path: Path, answers: Answers, note: Callable[[Path, Prediction | ServeryError], None]
) -> None:
    started = asyncio.Event()

    async def endless(jpeg: bytes) -> Prediction:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    photos = [image_file(tmp_path / f"{number}.jpg") for number in range(4)]
    task = asyncio.create_task(classify_images(photos, endless, note, max_concurrency=2))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not answers
