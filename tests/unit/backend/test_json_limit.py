"""Requests with too much JSON are refused before it is all in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from backend.json_limit import MAX_JSON_BYTES
from tests.support.backend_env import MODEL, Service
from tests.support.problems import PROBLEM_FIELDS

PATHS = ["/models", f"/models/{MODEL}/compare", f"/models/{MODEL}/import"]
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("path", PATHS)
async def test_what_is_declared_too_large_is_not_read(service: Service, path: str) -> None:
    answer = await service.http.post(path, content=bytes(MAX_JSON_BYTES + 1), headers=JSON)
    assert answer.status_code == 413
    assert set(answer.json()) == PROBLEM_FIELDS


@pytest.mark.parametrize("path", PATHS)
async def test_what_comes_in_pieces_is_not_read_to_its_end(service: Service, path: str) -> None:
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 2**20
            yield b" " * 2**20

    answer = await service.http.post(path, content=pieces(), headers=JSON)
    assert answer.status_code in (400, 413)
    assert set(answer.json()) == PROBLEM_FIELDS
    assert sent <= MAX_JSON_BYTES + 2 * 2**20


async def test_many_photos_may_be_named(service: Service) -> None:
    images = ["ab" * 32] * 50_000
    answer = await service.http.post(
        f"/models/{MODEL}/compare", json={"versions": [1, 1], "images": images}
    )
    assert answer.status_code == 404
    assert "no image" in answer.json()["detail"]
