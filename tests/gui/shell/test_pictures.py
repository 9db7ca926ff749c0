"""Photos that are fetched as pictures: what failed is fetched again once labels changed."""

from __future__ import annotations

import pytest

from desktop.jobs import Jobs
from desktop.widgets.pictures import Pictures
from serving.errors import BackendError
from tests.gui.conftest import Run
from tests.support.sample_images import image_bytes
from tests.support.waiting import wait_until


@pytest.mark.parametrize("damaged", [None, b"", b"no picture"])
def test_a_photo_that_was_damaged_is_shown_once_it_is_whole(
    run: Run, damaged: bytes | None
) -> None:
    async def main() -> None:
        content = damaged

        async def fetch(_: str) -> bytes:
            if content is None:
                raise BackendError("It is damaged.", "Label it again.")
            return content

        pictures, jobs = Pictures(), Jobs()
        pictures.start(fetch, jobs)
        await wait_until(lambda: pictures.get("a", 64) is not None)
        failed = pictures.get("a", 64)
        assert failed is not None
        assert failed.isNull()
        content = image_bytes()
        pictures.forget_failed()
        await wait_until(lambda: pictures.get("a", 64) is not None)
        whole = pictures.get("a", 64)
        assert whole is not None
        assert not whole.isNull()
        pictures.forget_failed()
        assert pictures.get("a", 64) is whole
        await jobs.close()

    run(main)
