"""Where in a photo the model looks, by covering one part after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image, ImageDraw

from serving.errors import ImageError, ModelError
from serving.predict.occlusion import CELLS, grid_shape, occlude
from serving.predict.prediction import Prediction, Score
from serving.tf.names import CLASSES_NODE, IMAGES, SCORES_NODE, SERVE_TAG
from serving.tf.session import Session
from serving.tf.tensors import string_tensor
from tests.support.sample_images import encode, image_bytes
from tests.support.tiny_model import write_tiny

WIDTH, HEIGHT = 100, 80


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("tiny")
    write_tiny(folder)
    made = Session(folder, [SERVE_TAG], 1, 1, trusted=True)
    yield made
    made.close()


class TinyModel:
    """The real tiny model, in this process; counts what it is asked."""

    def __init__(self, session: Session) -> None:
        self._compute = session.computation([IMAGES], [CLASSES_NODE, SCORES_NODE])
        self.asked = self.running = self.peak = 0
        self.error: ModelError | None = None

    async def __call__(self, jpeg: bytes) -> Prediction:
        self.asked += 1
        self.running += 1
        self.peak = max(self.peak, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        if self.error is not None and self.asked > 1:
            raise self.error
        classes, scores = self._compute([string_tensor([jpeg])], None)
        ranked = [
            Score(name.decode(), float(score))
            for name, score in zip(classes.array[0], scores.array[0], strict=True)
        ]
        ranked.sort(key=lambda each: -each.score)
        return Prediction("pets", 1, ranked, "here", 1.0)


@pytest.fixture
def tiny(session: Session) -> TinyModel:
    return TinyModel(session)


def disk(color: str, ground: str, at: tuple[float, float]) -> bytes:
    """Return a photo of a disk, its middle at a share of width and height."""
    image = Image.new("RGB", (WIDTH, HEIGHT), ground)
    x, y = at[0] * WIDTH, at[1] * HEIGHT
    ImageDraw.Draw(image).ellipse((x - 16, y - 16, x + 16, y + 16), fill=color)
    return encode(image)


@pytest.mark.parametrize("at", [(0.3, 0.3), (0.7, 0.6)])
async def test_the_part_that_an_answer_depends_on_is_found(
    tiny: TinyModel, at: tuple[float, float]
) -> None:
    found = await occlude(disk("red", "blue", at), "red", tiny)
    rows, columns = len(found.importances), len(found.importances[0])
    row, column = found.strongest
    assert abs((column + 0.5) / columns - at[0]) < 0.15
    assert abs((row + 0.5) / rows - at[1]) < 0.15
    assert found.lowest < found.score
    assert (found.class_name, found.model, found.version) == ("red", "pets", 1)


async def test_what_speaks_for_one_class_speaks_against_the_other(tiny: TinyModel) -> None:
    photo = disk("red", "blue", (0.7, 0.6))
    red = np.array((await occlude(photo, "red", tiny)).importances)
    blue = np.array((await occlude(photo, "blue", tiny)).importances)
    place = np.unravel_index(red.argmax(), red.shape)
    assert red[place] > 0.1
    assert blue[place] < -0.1


async def test_nothing_stands_out_in_a_photo_of_one_color(tiny: TinyModel) -> None:
    found = await occlude(image_bytes("red", size=(WIDTH, HEIGHT)), "red", tiny)
    assert np.abs(found.importances).max() < 0.05


async def test_about_as_many_answers_as_cells_are_asked_for_at_a_time_a_few(
    tiny: TinyModel,
) -> None:
    steps: list[tuple[int, int]] = []
    photo = disk("red", "blue", (0.5, 0.5))
    await occlude(photo, "red", tiny, lambda done, total, _: steps.append((done, total)))
    assert 0.8 * CELLS < tiny.asked < 1.2 * CELLS
    assert 1 < tiny.peak <= 16
    assert steps[0] == (0, tiny.asked)
    assert steps[-1] == (tiny.asked, tiny.asked)


@pytest.mark.parametrize("size", [(1, 1), (4, 2000), (3000, 20), (640, 480)])
def test_cells_are_nearly_square_and_not_too_many(size: tuple[int, int]) -> None:
    rows, columns = grid_shape(*size)
    assert rows >= 2
    assert columns >= 2
    assert rows * columns <= 1.3 * CELLS


async def test_an_error_of_the_model_is_what_is_raised(tiny: TinyModel) -> None:
    tiny.error = ModelError("It failed.", "Try again.")
    with pytest.raises(ModelError, match="It failed"):
        await occlude(disk("red", "blue", (0.5, 0.5)), "red", tiny)


async def test_what_is_no_image_is_refused(tiny: TinyModel) -> None:
    with pytest.raises(ImageError):
        await occlude(b"no image", "red", tiny)


async def test_a_class_that_is_not_listed_counts_as_the_last_that_is() -> None:
    async def answer(jpeg: bytes) -> Prediction:
        return Prediction("pets", 1, [Score("cat", 0.7), Score("dog", 0.2)], "here", 1.0)

    found = await occlude(disk("red", "blue", (0.5, 0.5)), "ship", answer)
    assert found.score == found.lowest == 0.2
