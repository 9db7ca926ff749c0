"""What happens when a person drops photos: each gets an answer or a named error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from serving.errors import FleetUnavailable, ImageError, ServeryError
from serving.predict.prediction import Prediction
from serving.progress import Report, no_report
from serving.upright import MAX_BYTES, upright_jpeg

AT_ONCE = 8
"""Photos on their way at the same time; the instances share them."""

Predict = Callable[[bytes], Awaitable[Prediction]]
"""Takes upright bytes; raises ServeryError."""

Answered = Callable[[Path, Prediction | ServeryError], None]


async def classify_images(
    photos: Sequence[Path],
    predict: Predict,
    answered: Answered,
    report: Report = no_report,
    *,
    at_once: int = AT_ONCE,
) -> int:
    """Classify `photos` and call `answered` once for each, as the answers come.

    A photo that cannot be read or classified is answered with its error and harms
    no other. When the fleet cannot answer at all, the photos not begun are answered
    with the same error at once, so that nobody waits for each of them in turn.
    Returns how many got a prediction. Cancelling leaves the rest unanswered.
    """
    waiting = iter(photos)
    done = predicted = 0
    fleet_problem: FleetUnavailable | None = None

    async def work() -> None:
        nonlocal done, predicted, fleet_problem
        for photo in waiting:
            if fleet_problem is not None:
                answered(photo, fleet_problem)
            else:
                try:
                    jpeg = await asyncio.to_thread(read_upright, photo)
                    prediction = await predict(jpeg)
                except ServeryError as error:
                    if isinstance(error, FleetUnavailable):
                        fleet_problem = error
                    answered(photo, error)
                else:
                    predicted += 1
                    answered(photo, prediction)
            done += 1
            report(done, len(photos), f"{done:,} of {len(photos):,} classified")

    report(0, len(photos), f"0 of {len(photos):,} classified")
    async with asyncio.TaskGroup() as group:
        for _ in range(min(at_once, len(photos))):
            group.create_task(work())
    return predicted


def read_upright(path: Path) -> bytes:
    """Return the upright bytes of the image file at `path`; raises ImageError."""
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
    return upright_jpeg(data)
