"""Only a real image with a usable name becomes a label."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from backend.client import BackendClient
from backend.contract import Label
from desktop.learn.outbox import Outbox, OutboxView
from desktop.learn.submit_label import submit_label
from serving.class_names import ClassNameError
from serving.errors import ImageError
from tests.support.sample_images import image_bytes
from tests.support.waiting import wait_for_view


class Receiver(BackendClient):
    """Takes labels, and can do nothing else."""

    def __init__(self) -> None:
        super().__init__("")
        self.received: list[tuple[bytes | str, str]] = []

    async def label(self, image: bytes | str, class_name: str = "", **said: Any) -> Label:
        self.received.append((image, class_name))
        return Label(1, "", class_name, "")


async def test_the_backend_gets_a_normalized_jpeg_and_a_tidy_name(tmp_path: Path) -> None:
    receiver = Receiver()
    async with Outbox(tmp_path / "d.sqlite", receiver) as outbox:
        queued = await submit_label(outbox, image_bytes(form="PNG"), "  giant   panda ")
        await wait_for_view(outbox, lambda view: view == OutboxView())
    ((jpeg, name),) = receiver.received
    assert name == queued.statement.class_name == "giant panda"
    assert isinstance(jpeg, bytes)
    assert Image.open(io.BytesIO(jpeg)).format == "JPEG"


async def test_what_cannot_name_a_class_is_not_taken(tmp_path: Path) -> None:
    async with Outbox(tmp_path / "d.sqlite", Receiver()) as outbox:
        with pytest.raises(ClassNameError):
            await submit_label(outbox, image_bytes(form="PNG"), "   ")
        assert outbox.view == OutboxView()


async def test_what_is_not_an_image_is_not_taken(tmp_path: Path) -> None:
    async with Outbox(tmp_path / "d.sqlite", Receiver()) as outbox:
        with pytest.raises(ImageError):
            await submit_label(outbox, b"text", "panda")
        assert outbox.view == OutboxView()
