"""`servery classify --watch`: the answers of photos as they arrive in folders."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

from desktop.classify.classify_images import OnResult, Predict, classify_images
from desktop.classify.photo_arrivals import PhotoArrivals
from serving.background import cancel_and_wait
from serving.errors import ServeryError
from serving.predict.prediction import Prediction


async def show_arrivals(
    folders: Sequence[Path],
    predict: Predict,
    show: OnResult,
) -> None:
    """Call `show` for each photo in `folders`, and for each that arrives, until it is cancelled.

    Raises ImageError once one of the folders cannot be read, and what `show` raises.
    """
    answers: asyncio.Queue[tuple[Path, Prediction | ServeryError]] = asyncio.Queue()

    def put(photo: Path, result: Prediction | ServeryError) -> None:
        answers.put_nowait((photo, result))

    async def show_all() -> None:
        # Here and not where the answers come from: what it raises would be one error of a group.
        while True:
            show(*await answers.get())

    tasks = [asyncio.create_task(_follow(folder, predict, put)) for folder in folders]
    tasks.append(asyncio.create_task(show_all()))
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await cancel_and_wait(*tasks)


async def _follow(folder: Path, predict: Predict, put: OnResult) -> None:
    async with aclosing(PhotoArrivals(folder).follow()) as following:
        async for arrival in following:
            await classify_images(arrival.photos, predict, put)
