"""Whoever keeps a fleet may be killed at any moment: nothing is lost and nothing is left over."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import psutil

from serving.engines.protocol import InstanceState
from tests.support.fleet_env import MODEL, PROGRAM, FleetEnv

ROUNDS = 6


def processes(folder: Path) -> set[int]:
    """Every process on this machine that serves from this workspace."""
    found = set()
    for process in psutil.process_iter():
        try:
            if any(word.startswith(f"--ports_file={folder}/") for word in process.cmdline()):
                found.add(process.pid)
        except psutil.Error:
            continue
    return found


async def test_an_owner_killed_at_any_moment_leaves_a_fleet_that_can_be_kept(
    fleet_env: FleetEnv,
) -> None:
    choice = random.Random(7)
    for seed in range(ROUNDS):
        owner = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.support.fleet_owner",
            MODEL,
            str(seed),
            "process",
            *PROGRAM,
            stdout=asyncio.subprocess.PIPE,
        )
        assert owner.stdout is not None
        assert await owner.stdout.readline() == b"begun\n"
        await asyncio.sleep(choice.uniform(0, 2))
        owner.kill()
        await owner.wait()
        alive = {
            instance.process
            for instance in await fleet_env.engine.instances()
            if instance.state is not InstanceState.FAILED and instance.process
        }
        assert alive == processes(fleet_env.workspace.instances)
    view = await fleet_env.fleet.scale(2)
    assert view.ready == 2
    served = {each.instance.process for each in view.instances}
    assert served == processes(fleet_env.workspace.instances)
    left = sorted(path.suffix for path in fleet_env.workspace.instances.iterdir())
    assert left == [".json", ".json", ".ports", ".ports"]
    assert len(list(fleet_env.workspace.logs.iterdir())) == 2
