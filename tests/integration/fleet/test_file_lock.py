from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from serving.file_lock import file_lock

HOLDER = """
import asyncio, pathlib, sys
from serving.file_lock import file_lock

async def main():
    async with file_lock(pathlib.Path(sys.argv[1])):
        print("held", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_lock_keeps_others_out_until_its_holder_is_killed(tmp_path: Path) -> None:
    lock = tmp_path / "run" / "fleet.lock"
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(lock), stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    with pytest.raises(Timeout):
        FileLock(lock).acquire(blocking=False)
    holder.kill()
    await holder.wait()
    async with asyncio.timeout(30), file_lock(lock):
        pass
