"""Whatever the umask, all that the programs write in a workspace is the person's alone."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from backend.client import BackendClient
from backend.contract import NewModel
from serving.workspace import Workspace
from tests.conftest import ROOT
from tests.integration.backend.conftest import command as backend_command
from tests.support.former_workspace import MODEL, write_former_workspace
from tests.support.other_user import NOBODY, as_root
from tests.support.sample_images import drawing
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def open_paths(root: Path) -> list[str]:
    """Return what in `root` gives other users any right, and files that may be run."""
    found = []
    for path in (root, *root.rglob("*")):
        status = path.lstat()
        allowed = 0o600 if stat.S_ISREG(status.st_mode) else 0o700
        if not path.is_symlink() and stat.S_IMODE(status.st_mode) & ~allowed:
            found.append(f"{stat.filemode(status.st_mode)} {path.relative_to(root)}")
    return found


def servery(workspace: Workspace, umask: int, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "desktop.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, "SERVERY_ENGINE": "process"},
        capture_output=True,
        text=True,
        timeout=180,
        umask=umask,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def start_backend(workspace: Workspace, umask: int) -> subprocess.Popen[bytes]:
    command = backend_command(workspace)
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, umask=umask)


@pytest.mark.parametrize("umask", [0, pytest.param(0o022, marks=pytest.mark.long)], ids=oct)
async def test_programs_keep_the_workspace_private(
    workspace: Workspace, tmp_path: Path, umask: int
) -> None:
    write_former_workspace(workspace)
    for path in (workspace.root, *workspace.root.rglob("*")):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
    assert open_paths(workspace.root)
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(drawing("rings", "new"))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("red", "green"):
            for number in range(3):
                file.writestr(f"{name}/{number}.jpg", drawing("rings", f"{name}{number}"))
    (tmp_path / "photos.zip").write_bytes(archive.getvalue())
    process = start_backend(workspace, umask)
    try:
        client = await wait_until(lambda: BackendClient.find(workspace))
        assert client is not None
        # Closed before it listens, what it has not touched since too.
        assert open_paths(workspace.root) == []
        async with client:
            servery(workspace, umask, "fleet", "start", "1")
            servery(workspace, umask, "label", str(photo), "rings", "--model", MODEL)
            run = await client.train(MODEL)
            await wait_until(lambda: over(client, run.id), 240)
            await client.create_model(NewModel("zipped", MODEL))
            imported = await client.import_zip("zipped", tmp_path / "photos.zip")
            await wait_until(lambda: over(client, imported.id), 240)
        servery(workspace, umask, "token")
        names = {path.name for path in workspace.root.rglob("*")}
        assert {"token", "backend.sqlite-wal", "backend.json", "worker.log"} <= names
        assert open_paths(workspace.root) == []
    finally:
        servery(workspace, umask, "fleet", "stop")
        process.terminate()
        process.wait(60)
    assert open_paths(workspace.root) == []


async def over(client: BackendClient, run_id: str) -> bool:
    return (await client.training_run(run_id)).finished is not None


@as_root
def test_another_user_reads_and_lists_nothing(workspace: Workspace) -> None:
    (workspace.models / "file").write_text("mine")
    for folder in workspace.root.parents:  # as a home folder that others may enter
        if folder != Path("/") and folder.stat().st_uid == os.getuid():
            folder.chmod(folder.stat().st_mode | 0o011)
    script = (
        "import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "for call in (os.listdir, os.chdir, lambda root: open(root + '/models/file')):\n"
        "    try: call(sys.argv[1])\n"
        "    except PermissionError: continue\n"
        "    sys.exit('it was let in')\n"
    )
    command = [sys.executable, "-I", "-c", script, str(workspace.root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert os.getuid() != NOBODY
