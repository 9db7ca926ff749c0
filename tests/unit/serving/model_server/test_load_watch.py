"""Whether a version is loading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from serving.model_server.load_watch import SETTLING_SECONDS, LoadWatch
from serving.tf.status import Code, ServingError


def test_a_version_counts_while_it_loads_and_for_a_while_afterwards() -> None:
    now = 100.0
    seen = []

    def load(model: str, version: int, folder: Path) -> Any:
        seen.append(watch.is_loading())
        if version == 2:
            raise ServingError(Code.INTERNAL, "damaged")

    watch = LoadWatch(load, lambda: now)
    assert not watch.is_loading()
    watch.load("pets", 1, Path("/models/pets/1"))
    assert seen == [True]
    now += SETTLING_SECONDS - 1
    assert watch.is_loading()
    now += 2
    assert not watch.is_loading()
    with pytest.raises(ServingError):
        watch.load("pets", 2, Path("/models/pets/2"))
    assert watch.is_loading()
