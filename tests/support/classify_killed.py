"""A Classify page that is killed with SIGKILL in the middle of a drop.

`python -m tests.support.classify_killed POINT WORKSPACE ALBUM`: POINT is "looking", while it looks
for photos in the folder ALBUM, or "answering", once ANSWERED of them have their answers on disk.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path

from PySide6.QtWidgets import QApplication

from desktop.classify import photo_queue
from desktop.classify.find_photos import FoundPhotos
from desktop.classify.intake_store import IntakeStore
from desktop.event_loop import EventLoop
from serving.predict.prediction import Prediction
from serving.progress import Report
from tests.gui.classify import classify_env
from tests.gui.classify.classify_env import ClassifyEnv, FakeModel, with_classify_env
from tests.support.drag_and_drop import drop_files
from tests.support.killed_at import kill_self
from tests.support.waiting import wait_until

ANSWERED = 5


class _ModelOfFew(FakeModel):
    async def predict(self, jpeg: bytes) -> Prediction:
        answer = await super().predict(jpeg)
        if self.request_count > ANSWERED:
            await asyncio.Event().wait()
        return answer


async def _never_find(dropped: Iterable[Path], report: Report) -> AsyncGenerator[FoundPhotos, None]:
    await asyncio.Event().wait()
    yield FoundPhotos((), 0)


def main(point: str, workspace: Path, album: Path) -> int:
    if point == "looking":
        photo_queue.find_in_parts = _never_find  # type: ignore[assignment, attr-defined]

    classify_env.FakeModel = _ModelOfFew  # type: ignore[misc]

    async def scenario(env: ClassifyEnv) -> None:
        assert drop_files(env.page, [album])

        async def reached() -> bool:
            if point == "looking":
                return bool(await IntakeStore(env.history.database).unfinished())
            kept = await env.history.photos()
            return sum(photo.prediction is not None for photo in kept) == ANSWERED

        await wait_until(reached)
        kill_self()

    async def run() -> int:
        await with_classify_env(workspace, scenario)
        return 0

    return EventLoop(QApplication([])).run(run)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
