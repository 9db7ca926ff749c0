"""What happens when a person drops photos: each gets an answer or a named error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from serving.errors import FleetUnavailable, ImageError, ServeryError
from serving.normalize_image import MAX_BYTES, normalize_image
from serving.predict.prediction import Prediction
from serving.progress import Report, no_report

MAX_CONCURRENCY = 8
"""Photos on their way at the same time; the instances share them."""

Predict = Callable[[bytes], Awaitable[Prediction]]
"""Takes a normalized JPEG; raises ServeryError."""

OnResult = Callable[[Path, Prediction | ServeryError], None]


async def classify_images(
    photos: Sequence[Path],
    predict: Predict,
    on_result: OnResult,
    report: Report = no_report,
    *,
    max_concurrency: int = MAX_CONCURRENCY,
) -> int:
    """Classify `photos` and call `answered` once for each, as the answers come.

    A photo that cannot be read or classified is answered with its error and harms
    no other. When the fleet cannot answer at all, the photos not begun are answered
    with the same error at once, so that nobody waits for each of them in turn.
    Returns how many got a prediction. Cancelling leaves the rest unanswered.
    """
    waiting = iter(photos)
    done = predicted = 0
    fleet_error: FleetUnavailable | None = None

    async def work() -> None:
        nonlocal done, predicted, fleet_error
        for photo in waiting:
            if fleet_error is not None:
                on_result(photo, fleet_error)
            else:
                try:
                    jpeg = await asyncio.to_thread(read_normalized_image, photo)
                    prediction = await predict(jpeg)
                except ServeryError as error:
                    if isinstance(error, FleetUnavailable):
                        fleet_error = error
                    on_result(photo, error)
                else:
                    predicted += 1
                    on_result(photo, prediction)
            done += 1
            report(done, len(photos), f"{done:,} of {len(photos):,} classified")

    report(0, len(photos), f"0 of {len(photos):,} classified")
    async with asyncio.TaskGroup() as group:
        for _ in range(min(max_concurrency, len(photos))):
            group.create_task(work())
    return predicted


def read_normalized_image(path: Path) -> bytes:
    """Return the normalized JPEG of the image file at `path`; raises ImageError."""
    try:
        if not path.is_file():
            raise ImageError(
                "The file is gone or is no file." if not path.is_dir() else "This is a folder.",
                "Drop the photo again from where it is now.",
            )
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except PermissionError as error:
        raise ImageError(
            "The file may not be read.", "Give yourself permission to read it, then try again."
        ) from error
    except OSError as error:
        raise ImageError(
            f"The file cannot be read: {error.strerror or error}.",
            "Check the disk or the connection it is on, then try again.",
        ) from error
    return normalize_image(data)
