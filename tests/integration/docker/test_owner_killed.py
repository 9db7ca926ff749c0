"""Whoever keeps a fleet may be killed at any moment: every container of it is found again."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter

import pytest

from serving.engines.protocol import InstanceState
from tests.conftest import ROOT
from tests.support.docker.docker_env import MODEL, DockerEnv

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

ROUNDS = 20
SECONDS = 5.0
"""Within which everything is adopted or gone after the next program has come."""

_ADOPTED = (InstanceState.STARTING, InstanceState.READY)


async def test_an_owner_killed_at_any_moment_leaves_nothing_that_is_not_adopted_or_removed(
    docker_env: DockerEnv, foreign_container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    choice = random.Random(3)
    longest = 0.0
    found: Counter[str] = Counter()
    for seed in range(ROUNDS):
        owner = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.support.fleet_owner",
            MODEL,
            str(seed),
            "docker",
            docker_env.image,
            stdout=asyncio.subprocess.PIPE,
        )
        assert owner.stdout is not None
        assert await owner.stdout.readline() == b"begun\n"
        await asyncio.sleep(choice.uniform(0, 2.5))
        owner.kill()
        await owner.wait()
        began = time.monotonic()
        found.update(row["State"] for row in docker_env.containers())
        async with docker_env.running():
            await docker_env.wait_for_view(
                lambda view: all(each.state in _ADOPTED for each in view.instances), SECONDS
            )
            while {row["State"] for row in docker_env.containers()} - {"running"}:
                assert time.monotonic() - began < SECONDS
                await asyncio.sleep(0.1)
        longest = max(longest, time.monotonic() - began)
    view = await docker_env.fleet.scale(2)
    assert view.ready == 2
    assert [row["State"] for row in docker_env.containers()] == ["running", "running"]
    assert longest < SECONDS
    assert found["created"] > 0, "no owner was killed while it started an instance"
