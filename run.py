#!/usr/bin/env python3
"""Install Servery and start it.

    python3 run.py              install what is missing, then open the window
    python3 run.py test         the same, then every check and every test
    python3 run.py COMMAND ...  the same, then `servery COMMAND ...`

Needs Python 3.11, 3.12 or 3.13 and nothing else; other Pythons, from 3.7 on, can read this
file far enough to find one of these or to say so. It installs into `.venv` beside this file,
from the lock files, checking the hash of each package. A later start finds the stamp of the
first one and installs nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import platform
import re
import select
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin/python"
STAMP = VENV / "installed.json"
"""Says what is installed completely; written last."""
INCOMPLETE = VENV / "unfinished"
"""Exists during an installation, and after one that was interrupted."""
LOG = VENV / "install.log"
LOCKS = {"app": "requirements.lock", "test": "requirements-test.lock"}
PYTHONS = ((3, 11), (3, 12), (3, 13))
"""Those that each locked package has a wheel for."""
NEEDED = "Python 3.11, 3.12 or 3.13"

UNUSED = ("tensorflow", "libclang")
"""What earlier lock files brought, and this one does not where there is tensorflow-cpu. The two
TensorFlows would overwrite each other's files."""

QT_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
    "libwayland-egl.so.1": "libwayland-egl1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
"""System libraries that Qt needs and its wheel does not contain, and their Debian packages."""

REDIRECTING_VARIABLES = (
    *("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"),
    *("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_REQUIRE_VIRTUALENV"),
)
"""Variables that would make the installation, or what it starts, use another environment."""

PARALLEL_TESTS = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
"""Tests wait more than they compute: two at a time use two cores well, more make them late.

In the order of the files, the slow ones first: nothing long is left for the end.
"""

CHECKS = {
    "mypy": ["mypy"],
    "ruff check": ["ruff", "check"],
    "ruff format": ["ruff", "format", "--check"],
    "import-linter": ["lint-imports", "--no-logo"],
    "vulture": ["vulture"],
}


class InstallError(Exception):
    """Its text says what is wrong and what to do, to the person at the terminal."""


def main(arguments: list[str]) -> int:
    if sys.version_info[:2] not in PYTHONS:
        return run_with_another_python(arguments)
    try:
        if arguments[:1] == ["test"]:
            install("test")
            ensure_libraries()
            return run_tests(arguments[1:])
        install("app")
        if arguments:
            start("desktop.cli", *arguments)
        if has_display():
            ensure_libraries()
            start("desktop")
        echo(
            "There is no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set), "
            "so Servery starts without its window. Ctrl+C stops it."
        )
        start("desktop.cli", "serve")
    except InstallError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nrun.py: stopped. Run it again to go on.", file=sys.stderr)
        return 130


def run_with_another_python(arguments: list[str]) -> int:
    """Start again under a Python that Servery runs on, if one is installed."""
    found = find_python()
    if found:
        # In its place: a signal for this process would otherwise not reach what it started.
        sys.stdout.flush()
        os.execv(found, [found, str(ROOT / "run.py"), *arguments])
    uv = " (`uv python install 3.13` does)" if shutil.which("uv") else ""
    this = f"{sys.version_info[0]}.{sys.version_info[1]}"
    print(
        f"run.py: Servery needs {NEEDED}; this is Python {this}, and none of these was found. "
        f"Install one{uv}, then run this again.",
        file=sys.stderr,
    )
    return 1


def find_python() -> str:
    """Return the path of a Python that Servery runs on, or an empty string."""
    for major, minor in PYTHONS:
        found = shutil.which(f"python{major}.{minor}")
        if found and is_supported(found):
            return found
    uv = shutil.which("uv")
    if uv:
        versions = f">={PYTHONS[0][0]}.{PYTHONS[0][1]},<{PYTHONS[-1][0]}.{PYTHONS[-1][1] + 1}"
        # Not the one of a virtual environment, which may be the `.venv` that is to be made again.
        command = [uv, "python", "find", "--no-project", "--system", versions]
        answer = subprocess.run(
            command, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ).stdout
        found = answer.decode(errors="replace").strip()
        if found and is_supported(found):
            return found
    return ""


def is_supported(interpreter: str) -> bool:
    """Ask an interpreter for its version.

    A file of that name may start another version, and would start this file without end; a
    program that manages several Pythons has one for versions too that it has not installed.
    """
    command = [interpreter, "-c", f"import sys; print(sys.version_info[:2] in {PYTHONS})"]
    try:
        answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    except OSError:
        return False
    return answer.strip() == b"True"


def echo(text: str) -> None:
    print(text, flush=True)


# Installing


def install(what: str) -> None:
    """Install what the lock file of `what` names into `.venv`, unless it is installed already."""
    if is_installed(what):
        return
    with exclusive():
        if is_installed(what):  # By the other run.py that this one waited for.
            return
        if not is_complete():
            create_venv()
        INCOMPLETE.touch()
        STAMP.unlink(missing_ok=True)
        remove_unused()
        install_requirements(LOCKS[what])
        remove_what_nothing_uses()
        install_project()
        done = {name: fingerprint(name) for name in LOCKS if name in (what, "app")}
        STAMP.write_text(json.dumps({"folder": str(ROOT), **done}), encoding="utf-8")
        INCOMPLETE.unlink()


def read_stamp() -> dict[str, str]:
    try:
        content = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def is_installed(what: str) -> bool:
    return (
        is_complete()
        and read_stamp().get(what) == fingerprint(what)
        and not (has("tensorflow") and has("tensorflow-cpu"))
    )


def is_complete() -> bool:
    """Whether an installation into this `.venv`, in this folder, finished and is still there."""
    return not INCOMPLETE.exists() and PYTHON.exists() and read_stamp().get("folder") == str(ROOT)


def site_packages() -> Path:
    """Return the folder of the packages, whichever Python `.venv` was made with."""
    return next(VENV.glob("lib/python3.*/site-packages"), VENV)


def has(package: str) -> bool:
    """Whether a package is installed in `.venv`."""
    return any(site_packages().glob(f"{package.replace('-', '_')}-[0-9]*.dist-info"))


def remove_unused() -> None:
    """Remove what an earlier lock file brought, or a person, and this one replaces."""
    if sys.platform != "linux" or platform.machine() != "x86_64" or has_cuda():
        return
    names = [name for name in UNUSED if has(name)]
    if "tensorflow" in names and has("tensorflow-cpu"):
        names.append("tensorflow-cpu")
    if names:
        echo(f"Removing {' and '.join(names)}, which is not needed or is installed again.")
        removed = run(*pip("uninstall", "--yes", *names))
        if removed.returncode:
            raise InstallError(explain(removed.stdout, "Old packages could not be removed."))


def has_cuda() -> bool:
    """Whether a person has installed TensorFlow's other wheel, for NVIDIA's cards."""
    return has("tensorflow") and any(site_packages().glob("nvidia_cuda_runtime*.dist-info"))


def fingerprint(what: str) -> str:
    """Return a hash that changes whenever something has to be installed again."""
    digest = hashlib.sha256()
    for name in (LOCKS[what], "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


@contextlib.contextmanager
def exclusive() -> Iterator[None]:
    """Install one after the other if two start at the same moment."""
    try:
        lock = (ROOT / ".venv.lock").open("w")
    except OSError as error:
        raise InstallError(
            f"The folder {ROOT} cannot be written to ({error.strerror}). "
            "Copy Servery to a folder of yours and run it there."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            echo("Another run.py is installing here; waiting for it to finish.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def create_venv() -> None:
    interpreter = base_interpreter()
    if run(interpreter, "-c", "import ensurepip, venv").returncode:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        ensure_packages([package], "Python's venv module is not installed.")
    if VENV.is_symlink():
        VENV.unlink()
    elif VENV.exists():
        echo("What is installed is incomplete or was moved here; starting over.")
        shutil.rmtree(VENV)
    echo("Making .venv")
    made = run(interpreter, "-m", "venv", str(VENV))
    if made.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        raise InstallError(explain(made.stdout, f"Python could not make {VENV}."))


def base_interpreter() -> str:
    """Return the interpreter itself, even if this runs inside a virtual environment."""
    if sys.prefix == sys.base_prefix:
        return sys.executable
    return str(getattr(sys, "_base_executable", sys.executable))


def clean_environment(**more: str) -> dict[str, str]:
    """Return the variables of this process without those that point elsewhere."""
    kept = {name: value for name, value in os.environ.items() if name not in REDIRECTING_VARIABLES}
    return {**kept, **more}


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; its errors are part of its output."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env=clean_environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def pip(*arguments: str) -> list[str]:
    return [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]


def install_requirements(lock: str) -> None:
    """Install a lock file with pip, and show the progress."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    if has_cuda():
        text = re.sub(r"^tensorflow-cpu==(.|\n )*\n", "", text, flags=re.MULTILINE)
    names = re.findall(r"^([\w.-]+)==", text, re.MULTILINE)
    temporary = VENV / "tmp"
    temporary.mkdir(exist_ok=True)
    locked = temporary / lock
    locked.write_text(text, encoding="utf-8")
    options = ("--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(locked))
    command = pip("install", *options)
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=clean_environment(PYTHONUNBUFFERED="1", TMPDIR=str(temporary)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output = show_progress(process, ProgressLine(len(names), temporary))
    LOG.write_text(output, encoding="utf-8")
    shutil.rmtree(temporary, ignore_errors=True)
    if process.returncode:
        raise InstallError(explain(output, "The packages could not be installed."))


def show_progress(process: subprocess.Popen[bytes], progress: ProgressLine) -> str:
    """Show the output of pip as progress until it exits; return the output."""
    assert process.stdout is not None
    output = b""
    try:
        while True:
            if not select.select([process.stdout], [], [], 0.25)[0]:
                progress.poll()
                continue
            chunk = os.read(process.stdout.fileno(), 2**16)
            if not chunk:
                break
            partial_line = output.rpartition(b"\n")[2]
            output += chunk
            for line in (partial_line + chunk).split(b"\n")[:-1]:
                progress.on_output(line.decode(errors="replace"))
    except BaseException:
        process.terminate()
        raise
    finally:
        process.wait()
    progress.close()
    return output.decode(errors="replace")


class ProgressLine:
    """One line that says which of how many packages is being fetched or unpacked."""

    def __init__(self, total: int, temporary: Path) -> None:
        self.total = total
        self.temporary = temporary
        self.number = 0
        self.text = ""
        self.megabytes = 0.0
        self.unpacking = False
        self.installed_before = self.installed_count()
        self.terminal = sys.stdout.isatty()
        self.shown = False

    def on_output(self, line: str) -> None:
        words = line.split()
        if line.startswith("Ignoring "):
            self.total -= 1
        elif line.startswith("Requirement already satisfied: "):
            self.number += 1
        elif line.startswith(("Collecting ", "Processing ")):
            named = re.search(r"([^/\s]+?)(?:==|-)(\d[^-\s/]*)(?=[-\s]|$)", line)
            self.number += 1
            self.text, self.megabytes = " ".join(named.groups()) if named else "", 0.0
            self.show()
        elif words[:1] == ["Downloading"]:
            size = re.search(r"\(([\d.]+) MB\)", line)
            self.megabytes = float(size.group(1)) if size else 0.0
        elif line.startswith("Installing collected packages"):
            self.total = line.count(",") + 1
            self.unpacking, self.number = True, 0
            self.text, self.megabytes = "", 0.0
            self.show()

    def poll(self) -> None:
        """Look up what pip does not print: bytes fetched and packages unpacked so far."""
        if self.unpacking:
            number = min(self.total, self.installed_count() - self.installed_before)
            if number != self.number:
                self.number = number
                self.show()
        elif self.megabytes and self.terminal:
            fetched = 0
            with contextlib.suppress(OSError):  # pip may move the file away at any moment
                files = self.temporary.glob("pip-unpack-*/*.whl")
                fetched = max((file.stat().st_size for file in files), default=0)
            self.show(f" {fetched / 1e6:.0f} of {self.megabytes:.0f} MB")

    @staticmethod
    def installed_count() -> int:
        """Count the packages whose last file is written."""
        folders = site_packages().glob("*.dist-info")
        return sum((folder / "INSTALLER").exists() for folder in folders)

    def show(self, more: str = "") -> None:
        act = "Unpacking" if self.unpacking else "Fetching"
        if not self.terminal:
            if not self.unpacking or self.number in (0, self.total):
                echo(f"{act} {self.number} of {self.total} {self.text}".rstrip())
            return
        self.shown = True
        filled = 24 * self.number // max(1, self.total)
        bar = "#" * filled + "." * (24 - filled)
        line = f"{act:9} [{bar}] {self.number} of {self.total}  {self.text}{more}"
        width = shutil.get_terminal_size().columns - 1
        print(f"\r{line[:width]:{width}}", end="", flush=True)

    def close(self) -> None:
        if self.shown:
            print(flush=True)


def remove_what_nothing_uses() -> None:
    """Free disk space; what is left over where that fails does no harm."""
    removed = run(str(PYTHON), str(ROOT / "slim.py"), str(site_packages()))
    echo(removed.stdout.strip().splitlines()[-1])


def install_project() -> None:
    """Install the packages of this folder and the `servery` command into `.venv`."""
    linked = run(*pip("install", "--no-deps", "--no-index", "--no-build-isolation", "-e", "."))
    if linked.returncode:
        LOG.write_text(linked.stdout, encoding="utf-8")
        raise InstallError(explain(linked.stdout, "The servery command could not be installed."))


CAUSES = {
    r"DO NOT MATCH THE HASHES": (
        "A downloaded package is not the one that the lock file names, so it was not installed. "
        "Run this again; if it happens again, the package index or a proxy alters what it sends."
    ),
    r"No space left on device": "The disk is full. Servery needs 3 GB; make room, then run "
    "this again.",
    r"CERTIFICATE_VERIFY_FAILED|SSLError": (
        "The package index could not be trusted: its certificate is not one that this machine "
        "knows. Install the ca-certificates package, or set PIP_CERT to your network's certificate."
    ),
    r"NewConnectionError|ConnectTimeout|ReadTimeout|Read timed out|name resolution|ProxyError|"
    r"Connection broken|ConnectionResetError|Network is unreachable|IncompleteRead|RemoteDisconn": (
        "The network does not reach the package index. Connect, then run this again; "
        "what was downloaded already is kept."
    ),
    r"Permission denied": f"A file in {VENV} cannot be written to. Remove that folder, then run "
    "this again.",
}


def explain(output: str, fallback: str) -> str:
    """Turn the output of pip or venv into a sentence with what to do."""
    for pattern, sentence in CAUSES.items():
        if re.search(pattern, output):
            return sentence
    stripped = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in stripped if line.lower().startswith("error")] or stripped[-1:]
    return " ".join([fallback, *errors[-1:], f"Its output is in {LOG}." if LOG.exists() else ""])


# System libraries and packages


def ensure_libraries() -> None:
    """Install the system libraries that Qt needs, or raise InstallError."""
    if not sys.platform.startswith("linux"):
        return
    missing = [package for library, package in QT_LIBRARIES.items() if not is_loadable(library)]
    if missing:
        ensure_packages(missing, "Qt needs system libraries that are not installed.")


def is_loadable(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def ensure_packages(packages: list[str], why: str) -> None:
    """Install Debian packages as root, or else raise InstallError with the command."""
    apt = shutil.which("apt-get")
    if apt is None:
        raise InstallError(
            f"{why} Install what Debian calls {' '.join(packages)}, then run this again."
        )
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    if os.geteuid() != 0:
        raise InstallError(f"{why} Install with: sudo {shlex.join(command)}")
    echo(f"{why} Installing {' '.join(packages)}")
    run("apt-get", "update", DEBIAN_FRONTEND="noninteractive")
    installed = run(*command, DEBIAN_FRONTEND="noninteractive")
    if installed.returncode:
        lines = [line for line in installed.stdout.splitlines() if line.strip()]
        raise InstallError(
            f"{why} apt-get could not install {' '.join(packages)}: {' '.join(lines[-1:])}"
        )


def has_display() -> bool:
    if not sys.platform.startswith("linux"):
        return True
    return any(os.environ.get(n) for n in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


# Starting


def start(module: str, *arguments: str) -> NoReturn:
    """Replace this process by the program."""
    sys.stdout.flush()
    command = [str(PYTHON), "-m", module, *arguments]
    # Without the safe path, modules in the folder of the caller would hide ours.
    os.execve(command[0], command, clean_environment(PYTHONSAFEPATH="1"))


def run_tests(arguments: list[str]) -> int:
    """Run every check and every test; with arguments, only pytest with those."""
    failed = [] if arguments else run_checks()
    echo("== pytest")
    variables = clean_environment(SERVERY_FAILED_CHECKS=", ".join(failed))
    # The tests start programs thousands of times, which would compile our sources each time.
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [str(PYTHON), "-m", "pytest", *(arguments or PARALLEL_TESTS)]
    status = subprocess.call(command, cwd=ROOT, env=variables)
    return status or (1 if failed else 0)


def run_checks() -> list[str]:
    """Run every check, side by side, and print what each says; returns the names that failed."""

    def check(program: str, *options: str) -> tuple[subprocess.CompletedProcess[str], float]:
        started = time.monotonic()
        return run(str(PYTHON.with_name(program)), *options), time.monotonic() - started

    failed = []
    # The longest of them takes one core for about as long as all others together take another.
    with ThreadPoolExecutor(len(CHECKS)) as pool:
        begun = {name: pool.submit(check, *command) for name, command in CHECKS.items()}
        for name, future in begun.items():
            done, seconds = future.result()
            echo(f"== {name}\n{done.stdout.rstrip()}")
            echo(f"   {'failed' if done.returncode else 'passed'} in {seconds:.0f} s")
            if done.returncode:
                failed.append(name)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
