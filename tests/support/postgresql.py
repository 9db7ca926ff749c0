"""A PostgreSQL server of the test's own: its data in a folder, reached by a UNIX socket.

It runs as another user if the tests run as root, which PostgreSQL refuses to.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.support.requirements import missing
from tests.support.waiting import TIMEOUT_SECONDS, block_until

PASSWORD = "a-secret of the test's"
USER = "tester"


class PostgreSqlServer:
    """A server that a test starts, kills and starts again."""

    def __init__(self, programs: Path, folder: Path, settings: tuple[str, ...]) -> None:
        self._programs = programs
        self._folder = folder
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._schemas = 0

    def create(self) -> None:
        """Make its data folder."""
        password = self._folder / "password"
        password.write_text(PASSWORD)
        user, group = _ids()
        if user is not None and group is not None:
            os.chown(self._folder, user, group)
            os.chown(password, user, group)
        options = ("--auth=scram-sha-256", f"--username={USER}", f"--pwfile={password}")
        command: list[Path | str] = [self._programs / "initdb", "--no-sync", *options]
        made = subprocess.run(
            [*command, "--encoding=UTF8", "--locale=C", self._folder / "data"],
            capture_output=True,
            user=user,
            group=group,
        )
        assert made.returncode == 0, made.stderr.decode()

    def start(self) -> None:
        """Start it and wait until it answers; what a killed one left may take a moment to go."""
        import psycopg

        options = ("listen_addresses=", f"unix_socket_directories={self._folder}", *self._settings)
        command: list[Path | str] = [self._programs / "postgres", "-D", self._folder / "data"]
        if shutil.which("setpriv"):  # else it runs on if this process is killed
            command = ["setpriv", "--pdeathsig", "INT", "--", *command]
        user, group = _ids()
        command += [word for option in options for word in ("-c", option)]

        def is_up() -> bool:
            if self._process is None or self._process.poll() is not None:
                with (self._folder / "log").open("ab") as log:
                    self._process = subprocess.Popen(
                        command,
                        stdout=log,
                        stderr=log,
                        stdin=subprocess.DEVNULL,
                        user=user,
                        group=group,
                    )
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url("postgres")).close()
                return True
            return False

        block_until(is_up, details=lambda: (self._folder / "log").read_text()[-2000:])

    def kill(self) -> None:
        """Kill the first process, as power that fails does; the others end when they notice."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def pause(self, is_paused: bool) -> None:
        """Freeze all of its processes, as a machine that hangs does, or let them go on."""
        assert self._process is not None
        first = psutil.Process(self._process.pid)
        for process in (first, *first.children(recursive=True)):
            process.send_signal(signal.SIGSTOP if is_paused else signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # at once, without waiting for connections
            self._process.wait(TIMEOUT_SECONDS)
            self._process = None

    def url(self, name: str, password: str = PASSWORD) -> str:
        quoted = password.replace(" ", "%20").replace("'", "%27")
        return f"postgresql://{USER}:{quoted}@/{name}?host={self._folder}"

    def new_database(self) -> str:
        """Make an empty schema, which is as good as a database, and return the URL of it."""
        import psycopg

        self._schemas += 1
        name = f"test_{self._schemas}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        return f"{self.url('postgres')}&options=-csearch_path%3D{name}"


@contextmanager
def postgresql_server(*settings: str) -> Iterator[PostgreSqlServer]:
    """Run a server for the length of the block; skips where PostgreSQL is not installed."""
    if importlib.util.find_spec("psycopg") is None:
        missing("psycopg, which requirements-test.lock names, is not installed")
    programs = _programs()
    # Not below pytest's folder, into which another user may not look.
    folder = Path(tempfile.mkdtemp(prefix="servery-pg-"))
    try:
        server = PostgreSqlServer(programs, folder, settings)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSqlServer]:
    """A server that stays up; it need not survive a power cut."""
    with postgresql_server("fsync=off") as server:
        yield server


def _programs() -> Path:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    found = installed[-1] if installed else shutil.which("postgres")
    if found is None:
        missing("PostgreSQL is not installed (Debian's package is postgresql)")
    return Path(found).parent


def _ids() -> tuple[int | None, int | None]:
    """Return the user and the group that it runs as; None for those of this process."""
    if os.getuid() != 0:
        return None, None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    return 65534, 65534
