"""The use case of window and command line: each image file gets an answer or an error."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from desktop.formats import count
from desktop.translation import tr
from serving.errors import FleetUnavailable, ServeryError
from serving.normalize_image import read_normalized_image
from serving.predict.prediction import Prediction
from serving.progress import Report, no_report

_log = logging.getLogger(__name__)

MAX_CONCURRENCY = 8
"""Photos that are read and sent at the same time; the instances share them."""

Predict = Callable[[bytes], Awaitable[Prediction]]
"""Takes a normalized JPEG; raises ServeryError."""

OnResult = Callable[[Path, Prediction | ServeryError], None]
"""Takes each photo once, with its answer or the reason why there is none."""


async def _at_once() -> None:
    pass


async def classify_images(
    photos: Sequence[Path],
    predict: Predict,
    on_result: OnResult,
    report: Report = no_report,
    *,
    max_concurrency: int = MAX_CONCURRENCY,
    read: Callable[[Path], bytes] = read_normalized_image,
    begun: Mapping[Path, Awaitable[Prediction]] = MappingProxyType({}),
    may_go_on: Callable[[], Awaitable[None]] = _at_once,
) -> int:
    """Classify `photos` and call `on_result` once for each, as the answers come.

    A photo that cannot be read or classified gets its error and does not affect
    the others. If the fleet cannot answer at all, the photos not yet started get
    the same error at once, so that nobody waits for each of them in turn.
    Returns how many got a prediction. If cancelled, the rest get no result. `read` returns
    the normalized JPEG of a photo, on a thread, or raises ImageError. `begun` are answers that
    are on their way already. `may_go_on` is awaited before each photo.
    """
    waiting = iter(photos)  # shared by the workers: each takes the next photo from it
    done = predicted = 0
    fleet_error: FleetUnavailable | None = None

    async def classify(photo: Path) -> Prediction | ServeryError:
        nonlocal fleet_error
        if fleet_error is not None:
            return fleet_error
        try:
            if photo in begun:
                return await begun[photo]
            jpeg = await asyncio.to_thread(read, photo)
            return await predict(jpeg)
        except ServeryError as error:
            if isinstance(error, FleetUnavailable):
                fleet_error = error
            return error
        except Exception as error:
            # Whatever nobody thought of costs this photo its answer, and no other.
            _log.warning("A photo could not be classified.", exc_info=error)
            return ServeryError(
                tr("Classifying it failed: {error}.", error=type(error).__name__),
                tr("The log says more; the other photos are not affected."),
            )

    async def work() -> None:
        nonlocal done, predicted
        while True:
            await may_go_on()
            if (photo := next(waiting, None)) is None:
                return
            result = await classify(photo)
            done += 1
            predicted += isinstance(result, Prediction)
            on_result(photo, result)
            report(done, len(photos), _so_far(done, len(photos)))

    report(0, len(photos), _so_far(0, len(photos)))
    async with asyncio.TaskGroup() as group:
        for _ in range(min(max_concurrency, len(photos))):
            group.create_task(work())
    return predicted


def _so_far(done: int, photos: int) -> str:
    return tr("{done} of {photos} classified", done=count(done), photos=count(photos))
