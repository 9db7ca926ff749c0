"""What a file names is on disk before the file is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from backend.store.images import ImageFolder
from serving.models.repository import ModelRepository
from tests.support.backend_env import MODEL, add_version

Order = list[tuple[str, str]]


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Order:
    """What is flushed and renamed from now on, in order, by path below the test's folder."""
    calls: Order = []
    fsync, rename, replace = os.fsync, os.rename, os.replace

    def name(path: Any) -> str:
        return os.path.relpath(path, tmp_path)

    def flush(descriptor: int) -> None:
        fsync(descriptor)
        calls.append(("flush", name(Path(f"/proc/self/fd/{descriptor}").readlink())))

    def moved(move: Any) -> Any:
        def carry_out(source: Any, target: Any) -> None:
            move(source, target)
            calls.append(("rename", name(target)))

        return carry_out

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "rename", moved(rename))
    monkeypatch.setattr(os, "replace", moved(replace))
    return calls


def position(order: Order, kind: str, end: str) -> int:
    """Return when something first happened to the path that ends so."""
    return next(i for i, (what, path) in enumerate(order) if what == kind and path.endswith(end))


def test_a_version_is_on_disk_before_it_has_a_number(tmp_path: Path, order: Order) -> None:
    add_version(ModelRepository(tmp_path / "models"))
    in_place = position(order, "rename", f"{MODEL}/1")
    flushed = [path for what, path in order[:in_place] if what == "flush"]
    for name in ("saved_model.pb", "servery.json", "servery.sha256", "assets.extra"):
        assert any(path.endswith(name) for path in flushed), name
    assert ("flush", f"models/{MODEL}") in order[in_place:]
    assert ("flush", "models") in order[in_place:]


def test_a_version_is_on_disk_before_a_file_makes_it_live(tmp_path: Path, order: Order) -> None:
    """No matter what put it there: it may have been copied by hand a moment ago."""
    repository = ModelRepository(tmp_path / "models")
    add_version(repository)
    order.clear()
    repository.promote(MODEL, 1)
    named = position(order, "rename", f"{MODEL}/serving.config")
    assert position(order, "flush", f"{MODEL}/1/saved_model.pb") < named
    assert position(order, "flush", f"{MODEL}/1/assets.extra") < named
    assert position(order, "flush", f"{MODEL}/1") < named
    assert named < position(order, "rename", "models/serving.config")
    # The last thing is that the name of the file which servers follow is on disk.
    assert order[-1] == ("flush", "models")


def test_an_image_is_on_disk_before_it_is_acknowledged(tmp_path: Path, order: Order) -> None:
    folder = ImageFolder(tmp_path / "images")
    image = folder.put(b"jpeg")
    in_place = position(order, "rename", f"{image}.jpg")
    assert order[in_place - 1][0] == "flush"
    assert order[in_place - 1][1].startswith(f"images/{image[:2]}/.{image}.jpg.")
    after = order[in_place:]
    assert ("flush", f"images/{image[:2]}") in after
    assert ("flush", "images") in after
    # Another thread may have stored it, and not have flushed its name yet.
    order.clear()
    folder.put(b"jpeg")
    assert order == [("flush", f"images/{image[:2]}")]
