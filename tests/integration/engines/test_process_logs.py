"""The logs of instances that run as processes: followed, and kept for those that failed."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import psutil
import pytest

from serving.engines import log_files
from serving.engines.process import ProcessEngine
from serving.errors import EngineError
from serving.workspace import Workspace
from tests.integration.engines.process_env import (
    SPEC,
    configure,
    failed,
    files_left,
    listens,
    wait_for_instance,
)


async def test_a_log_is_followed_to_its_end(engine: ProcessEngine, workspace: Workspace) -> None:
    instance = await engine.start(SPEC)
    await wait_for_instance(engine, instance.id, listens)
    log = workspace.logs / f"{instance.id}.log"
    with log.open("a") as file:
        file.write("one\ntwo\nthr")
    async with asyncio.timeout(10), aclosing(engine.follow_logs(instance.id, 2)) as lines:
        assert [await anext(lines), await anext(lines)] == ["one", "two"]
        with log.open("a") as file:
            file.write("ee\nfour")
        assert await anext(lines) == "three"
        await engine.stop(instance.id)
        assert [line async for line in lines] == ["four"]


async def test_a_log_that_is_followed_ends_with_its_process(
    engine: ProcessEngine, workspace: Workspace
) -> None:
    configure(workspace, exit=3)
    instance = await engine.start(SPEC)
    async with asyncio.timeout(10):
        lines = [line async for line in engine.follow_logs(instance.id)]
    assert [line.split()[0] for line in lines] == ["serving", "the"]


async def test_what_is_not_there_cannot_be_read(engine: ProcessEngine) -> None:
    with pytest.raises(EngineError, match="no instance"):
        await anext(engine.follow_logs("pets-none"))
    with pytest.raises(EngineError, match="no instance"):
        await engine.run_command("pets-none")


async def test_a_killed_instance_is_listed_as_failed_until_it_is_stopped(
    engine: ProcessEngine, workspace: Workspace
) -> None:
    instance = await wait_for_instance(engine, (await engine.start(SPEC)).id, listens)
    assert instance.process is not None
    psutil.Process(instance.process).kill()
    dead = await wait_for_instance(engine, instance.id, failed)
    assert dead.failure.startswith("The process was ended by SIGKILL. The last line of its log:")
    assert dead.grpc_address is None
    assert not psutil.pid_exists(instance.process)
    (again,) = await ProcessEngine(workspace).instances()
    assert again.failure == dead.failure
    await engine.stop(instance.id)
    assert await engine.instances() == []
    # Its log is kept, with the reason, for whoever asks after it was replaced.
    assert files_left(workspace) == [f"{instance.id}.log"]
    assert dead.log == str(workspace.logs / f"{instance.id}.log")
    kept = await engine.logs(instance.id)
    assert kept.startswith("serving {")
    assert kept.endswith(dead.failure)
    assert [line async for line in engine.follow_logs(instance.id)] == kept.splitlines()


async def test_the_logs_of_the_last_failed_instances_are_kept(
    engine: ProcessEngine, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "MAX_KEPT_LOGS", 2)
    configure(workspace, exit=3)
    ids = []
    for _ in range(3):
        ids.append((await wait_for_instance(engine, (await engine.start(SPEC)).id, failed)).id)
        await engine.stop(ids[-1])
    other = workspace.logs / "backend.log"
    other.write_text("of another program")
    await engine.instances()
    assert {*files_left(workspace)} == {"backend.log", *(f"{name}.log" for name in ids[1:])}
    with pytest.raises(EngineError, match="no instance"):
        await engine.logs(ids[0])
    for name in ("backend", "../settings", ids[1] + "/../" + ids[1]):
        with pytest.raises(EngineError, match="no instance"):
            await engine.logs(name)


async def test_one_that_exits_says_its_status_and_keeps_its_log(
    engine: ProcessEngine, workspace: Workspace
) -> None:
    configure(workspace, exit=3)
    dead = await wait_for_instance(engine, (await engine.start(SPEC)).id, failed)
    assert dead.failure == (
        "The process ended with exit status 3. The last line of its log: the model is broken"
    )
    assert (await engine.logs(dead.id, lines=1)) == "the model is broken"
