"""What every test gets: a workspace of its own, no screen needed, nothing left running."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from serving.engines import child_processes
from serving.workspace import ENVIRONMENT_VARIABLE, Workspace
from tests.support.databases import database, parametrize_database
from tests.support.postgresql import postgresql
from tests.support.requirements import missing
from tests.support.rerun_timeout import pytest_runtest_setup
from tests.support.sample_images import gradient
from tests.support.warm_commands import WARM_COMMANDS

__all__ = ["database", "postgresql", "pytest_runtest_setup"]

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"
FAILED_CHECKS = "SERVERY_FAILED_CHECKS"
"""What failed before pytest ran, so that the closing lines of a test run name it too."""

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Off screen also where there is a screen: windows that come and go would take the keyboard from
# who works there, and what a test types must not depend on their window manager.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# What tests read is English, whatever the language of who runs them.
os.environ["LANGUAGE"] = "en"
# A shell that runs a job in the background without job control lets it ignore Ctrl+C, and so would
# every program that a test starts and then interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# The same with `nohup`. This process goes on ignoring it, with a handler that no program inherits.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda number, frame: None)


@pytest.fixture(autouse=True)
def _isolated_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes what the person running it keeps."""
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "workspace"))


@pytest.fixture(autouse=True)
def _umask(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test runs of the programs changes the umask of its own process only."""
    umask = os.umask(0o022)
    os.umask(umask)
    # What set_private_umask remembers of the process would hold for the tests after this one.
    monkeypatch.setattr("serving.private._umask_before", None)
    yield
    os.umask(umask)


@pytest.fixture
def homeless(_isolated_workspace: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user whom the system does not know, as in a container, with nothing in the environment."""

    def unknown(_: int) -> object:
        raise KeyError("getpwuid(): uid not found")

    for name in ("HOME", "XDG_DATA_HOME", ENVIRONMENT_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace, the one that `SERVERY_WORKSPACE` names during the test."""
    return Workspace(tmp_path / "workspace").create()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with photos and weights that the project does not ship, or a skip."""
    if not SHARED_DATA.is_dir():
        missing("the shared data folder is not beside the project")
    return SHARED_DATA


@pytest.fixture(scope="session")
def photos(shared_data: Path) -> list[Path]:
    """Real photos, one a class, in a fixed order."""
    return sorted((shared_data / "photos").glob("*.JPEG"))


@pytest.fixture(scope="session")
def sample_jpeg() -> bytes:
    """A small JPEG with something in it."""
    return gradient()


@pytest.fixture(scope="session", autouse=True)
def _no_leftover_processes() -> Iterator[None]:
    """Fail the run if a process that a test started is still running at its end."""
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    yield
    new = [
        process
        for process in psutil.Process().children(recursive=True)
        if process.pid not in before and "resource_tracker" not in _command(process)
    ]
    _, alive = psutil.wait_procs(new, timeout=5)
    commands = [_command(process) for process in alive]
    for process in alive:
        process.kill()
    # Python would warn of each that nobody asked for its exit code, at its own end.
    for child in child_processes._children.values():
        child.poll()
    assert not commands, f"still running after the tests: {commands}"


@pytest.fixture(scope="session", autouse=True)
def _warm_commands(_no_leftover_processes: None) -> Iterator[None]:
    """Stop what commands were made from before processes are looked for that are left."""
    yield
    WARM_COMMANDS.close()


@pytest.fixture(scope="session", autouse=True)
def _quick_routes() -> Iterator[None]:
    """Let services that tests make share what FastAPI finds out about their routes."""
    if "fastapi" not in sys.modules:  # no test of this run makes one, and importing it takes long
        yield
        return
    from tests.support.quick_routes import quick_routes

    with quick_routes():
        yield


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Refuse parameters without an order: every process of a test run must find the same tests."""
    for mark in metafunc.definition.iter_markers("parametrize"):
        if len(mark.args) > 1 and isinstance(mark.args[1], set | frozenset):
            raise pytest.UsageError(f"{metafunc.definition.nodeid}: sort the set of parameters.")
    parametrize_database(metafunc)


def pytest_collection_finish() -> None:
    """Keep what is imported by now out of every later collection of garbage.

    It is 600,000 objects, which each test of the window would look through several times.
    """
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    failed = os.environ.get(FAILED_CHECKS)
    if failed:
        terminalreporter.write_sep("!", f"failed before the tests: {failed}", red=True)
