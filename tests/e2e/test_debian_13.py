"""The README's two commands in a plain Debian 13, whose Python is 3.13.

Takes minutes, root and the package index: `python3 run.py test -m distribution`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.requirements import missing
from tests.support.sample_images import gradient

pytestmark = [pytest.mark.distribution, pytest.mark.timeout(3000)]

# The mounts are seen by this process and its children alone, and are gone with them: nothing that
# removes the folder of the test later can follow them.
NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
MOUNT = (
    'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev"'
    ' && mount --rbind /sys "$0/sys" && exec "$@"'
)
CALL = """
import json, re, signal, subprocess, sys, urllib.request
pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
program = subprocess.Popen(["python3", "run.py"], text=True, **pipes)
printed = ""
while not (" ready on " in printed and (found := re.search(r"http://[0-9.:]+", printed))):
    printed += program.stdout.readline()
    assert program.poll() is None, printed
photo = open("/photo.jpg", "rb").read()
head = b'--B\\r\\nContent-Disposition: form-data; name="file"; filename="a.jpg"\\r\\n\\r\\n'
kind = {"Content-Type": "multipart/form-data; boundary=B"}
request = urllib.request.Request(found[0] + "/classify", head + photo + b"\\r\\n--B--\\r\\n", kind)
answer = json.load(urllib.request.urlopen(request, timeout=120))
program.send_signal(signal.SIGINT)
program.communicate()
print(json.dumps({"answer": answer, "python": sys.version_info[:2], "status": program.returncode}))
"""


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The root of a Debian 13 with Python, and this project in its folder /servery."""
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        missing("a Debian is made by debootstrap as root")
    root = tmp_path_factory.mktemp("debian")
    packages = "--include=python3,ca-certificates"
    made = subprocess.run(
        ["debootstrap", "--variant=minbase", packages, "trixie", str(root)],
        capture_output=True,
        text=True,
    )
    if made.returncode:
        missing(f"debootstrap made no Debian 13: {made.stdout[-300:]}")
    ignored = shutil.ignore_patterns(".venv*", ".git", "*cache*", "build", "dist")
    shutil.copytree(ROOT, root / "servery", ignore=ignored)
    for name in ("resolv.conf", "hosts", "ssl/certs/ca-certificates.crt"):
        shutil.copy(Path("/etc", name), root / "etc" / name)
    yield root
    shutil.rmtree(root)


def run(root: Path, command: str, *, network: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a shell command in the project's folder of that Debian."""
    variables = [f"{name}={value}" for name, value in os.environ.items() if name[:4] == "PIP_"]
    settings = ["HOME=/root", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", *variables]
    within = ["chroot", str(root), "env", "-i", *settings, "sh", "-c", f"cd /servery && {command}"]
    # Without a network there is loopback alone, on which no other program has the port.
    own = [] if network else ["--net"]
    mount = MOUNT if network else f"ip link set lo up && {MOUNT}"
    return subprocess.run(
        [*NAMESPACES, *own, "sh", "-c", mount, str(root), *within], capture_output=True, text=True
    )


def test_without_a_screen_a_photo_is_answered(debian: Path) -> None:
    installed = run(debian, "python3 run.py --version")
    assert installed.returncode == 0, installed.stdout + installed.stderr
    assert "Unpacking" in installed.stdout
    (debian / "photo.jpg").write_bytes(gradient())
    (debian / "call.py").write_text(CALL)
    called = run(debian, "python3 /call.py", network=False)
    assert called.returncode == 0, called.stderr
    result = json.loads(called.stdout.splitlines()[-1])
    assert result["python"] == [3, 13]
    assert len(result["answer"]["scores"]) > 1
    assert result["status"] in (0, 130)


def test_the_tests_run(debian: Path) -> None:
    files = "tests/gui/shell/test_event_loop.py tests/unit/serving/text tests/unit/serving/tf"
    tested = run(debian, f"python3 run.py test {files} -q -p no:cacheprovider")
    assert tested.returncode == 0, tested.stdout[-3000:] + tested.stderr[-1000:]
    assert " passed" in tested.stdout
