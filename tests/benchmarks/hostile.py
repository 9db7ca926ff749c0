"""What others pay while a server is attacked: memory, waits, and whether it ends.

    python -m tests.benchmarks.hostile [--only TEXT]... [--at "model server"|backend] [--markdown]

Starts a model server, and a backend with an instance, as real processes. One by one, each attack
of the modules `hostile_*` beside this one is sent from a process of its own, while another process
classifies a photo all the time. Prints a row for each: what was sent, the memory of the server's
processes before, at its peak, and as soon as it is back or after ten seconds, the longest wait of
the other caller, and how many processes ended. The exit code is 1 if a bound was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from backend.client import BackendClient, BackendRefused
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests import benchmarks
from tests.benchmarks.attack import Attack, Target
from tests.benchmarks.hostile_caller import longest_wait
from tests.support.sample_images import gradient
from tests.support.tiny_model import TINY_MODEL, install_tiny
from tests.support.waiting import block_until

MAX_MORE_MEGABYTES = 600
MAX_WAIT_SECONDS = 2.0
AFTER_SECONDS = 10.0
"""In which memory is to be back where it was, or nearly so."""
_NEARLY = 1.05
SEND_SECONDS = 30.0
"""An attack that takes longer is ended."""
_MEGABYTE = 1_000_000
_SAMPLE_SECONDS = 0.05
_PREFIX = "hostile_"
_SERVER_MODULES = ("serving.model_server", "backend", "desktop.cli")
PHOTO = gradient((320, 240))


@dataclass(frozen=True)
class Row:
    """What one attack cost, in MB and seconds."""

    attack: Attack
    answer: str
    before: float
    peak: float
    after: float
    wait: float
    failed: int
    exits: int

    @property
    def broken(self) -> list[str]:
        """The bounds that were broken, by their names."""
        return [
            name
            for name, is_broken in (
                ("memory", self.peak > self.before + MAX_MORE_MEGABYTES),
                ("wait", self.wait > MAX_WAIT_SECONDS),
                ("exits", self.exits > 0),
            )
            if is_broken
        ]


def attacks() -> list[Attack]:
    """Return the attacks of every module whose name begins with `hostile_`."""
    found: list[Attack] = []
    for module in pkgutil.iter_modules(benchmarks.__path__):
        if module.name.startswith(_PREFIX):
            loaded = importlib.import_module(f"{benchmarks.__name__}.{module.name}")
            found += getattr(loaded, "ATTACKS", ())
    return found


class Servers:
    """A model server, and a backend with an instance, which end with the block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        repository = ModelRepository(Workspace(folder / "workspace").create().models)
        install_tiny(repository)
        self._models = repository.root
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> Target:
        ports_file = self.folder / "ports.json"
        ports_file.unlink(missing_ok=True)
        self._start(
            "model server",
            *("serving.model_server", f"--model_name={TINY_MODEL}"),
            *(f"--model_base_path={self._models / TINY_MODEL}", f"--ports_file={ports_file}"),
            *("--port=0", "--rest_api_port=0"),
        )
        self._start("backend", *("desktop.cli", "serve", "--port", "0", "--instances", "1"))
        block_until(ports_file.exists, details=lambda: self.log("model server"))
        ports = json.loads(ports_file.read_text())
        block_until(
            lambda: all(each in self.log("backend") for each in ("ready on", "answers at")),
            details=lambda: self.log("backend"),
        )
        address = self.log("backend").partition("Servery answers at http://")[2].split()[0]
        host, _, port = address.partition("/")[0].rpartition(":")
        return Target(
            rest=("127.0.0.1", int(ports["rest"])),
            grpc=f"127.0.0.1:{ports['grpc']}",
            backend=(host, int(port)),
            model=TINY_MODEL,
            photo=PHOTO,
        )

    def tree(self, at: str) -> list[psutil.Process]:
        """Return the processes of a server."""
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(self._processes[at].pid)
            return [root, *root.children(recursive=True)]
        return []

    def megabytes(self, at: str) -> float:
        """Return the resident memory of a server's processes."""
        total = 0
        for process in self.tree(at):
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total / _MEGABYTE

    def servers(self, at: str) -> set[psutil.Process]:
        """Return the processes that must not end: not those that decode for one request."""
        found = set()
        for process in self.tree(at):
            with suppress(psutil.NoSuchProcess):
                if any(name in process.cmdline() for name in _SERVER_MODULES):
                    found.add(process)
        return found

    def log(self, at: str) -> str:
        return (self.folder / f"{at}.log").read_text(errors="replace")

    def stop(self) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()

    def _start(self, name: str, *words: str) -> None:
        environment = {
            **os.environ,
            "SERVERY_WORKSPACE": str(self.folder / "workspace"),
            "SERVERY_ENGINE": "process",
            "TF_CPP_MIN_LOG_LEVEL": "2",
        }
        with (self.folder / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", *words],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
            )


@contextmanager
def caller(target: Target, at: str, folder: Path) -> Iterator[Path]:
    """Classify a photo all the time in a process of its own; yields the file of its waits."""
    waits = folder / "waits.txt"
    waits.unlink(missing_ok=True)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.benchmarks.hostile_caller"),
            *(at, _target_text(target), str(waits)),
        ],
    )
    try:
        block_until(lambda: waits.exists() and waits.stat().st_size > 0)
        yield waits
    finally:
        process.terminate()
        process.wait(60)


def send_in_process(attack: Attack, target: Target, servers: Servers) -> tuple[str, float]:
    """Send one attack; returns how it was answered, and the most MB that its server took."""
    peak = servers.megabytes(attack.at)
    started = time.monotonic()
    sender = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.benchmarks.hostile"),
            *("--send", attack.name, "--target", _target_text(target)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # What it takes to make an attack is not what it costs to receive it.
        preexec_fn=lambda: os.nice(10) and None,
    )
    while sender.poll() is None and time.monotonic() < started + SEND_SECONDS:
        peak = max(peak, servers.megabytes(attack.at))
        time.sleep(_SAMPLE_SECONDS)
    took_too_long = sender.poll() is None
    sender.kill()
    said, _ = sender.communicate()
    if took_too_long:
        return f"ended after {SEND_SECONDS:.0f} s", peak
    return (said.strip().splitlines() or [""])[-1][:60], peak


def measured(attack: Attack, target: Target, servers: Servers) -> Row:
    """Send one attack, and return what it cost."""
    before, running = servers.megabytes(attack.at), servers.servers(attack.at)
    with caller(target, attack.at, servers.folder) as waits:
        started = time.monotonic()
        answer, peak = send_in_process(attack, target, servers)
        ended = time.monotonic()
        while (after := servers.megabytes(attack.at)) > before * _NEARLY:
            peak = max(peak, after)
            if time.monotonic() > ended + AFTER_SECONDS:
                break
            time.sleep(_SAMPLE_SECONDS)
        wait, failed = longest_wait(waits, started)
    exits = len(running - servers.servers(attack.at))
    return Row(attack, answer, before, peak, after, wait, failed, exits)


def send(name: str, target: Target) -> None:
    """Send one attack, and print how it was answered: the work of the sender's process."""
    try:
        print(next(each for each in attacks() if each.name == name).send(target))
    except Exception as error:  # a server that closes the connection, most often
        print(f"{type(error).__name__}: {error}".splitlines()[0])


async def cancel_jobs(target: Target) -> None:
    """End the imports that an attack has left, so that they cost the next one nothing."""
    host, port = target.backend
    async with BackendClient(f"http://{host}:{port}") as client:
        for job in await client.training_runs():
            if not job.state.finished:
                with contextlib.suppress(BackendRefused):  # it has ended meanwhile
                    await client.cancel_training(job.id)


def row_text(row: Row, *, markdown: bool) -> str:
    cells = (
        row.attack.name,
        f"{row.before:,.0f}",
        f"{row.peak:,.0f}",
        f"{row.after:,.0f}",
        f"{row.wait:.2f}",
        str(row.failed),
        str(row.exits),
        row.answer,
        ", ".join(row.broken),
    )
    if markdown:
        return f"| {' | '.join(cells)} |"
    name, *figures, answer, broken = cells
    numbers = "".join(f"{figure:>8}" for figure in figures)
    return f"{name[:62]:<62}{numbers}  {answer}{'  BROKEN: ' + broken if broken else ''}"


def _target_text(target: Target) -> str:
    fields = asdict(target)
    del fields["photo"]
    return json.dumps(fields)


def target_of(text: str) -> Target:
    """Return what `_target_text` wrote."""
    fields = json.loads(text)
    return Target(
        rest=tuple(fields["rest"]),
        grpc=fields["grpc"],
        backend=tuple(fields["backend"]),
        model=fields["model"],
        photo=PHOTO,
    )


def run(chosen: Sequence[Attack], *, markdown: bool) -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="servery-hostile-") as folder:
        servers = Servers(Path(folder))
        try:
            target = servers.start()
            print(
                "| sent | before, MB | peak | after | longest wait, s | failed | exits |"
                " answered | broken |\n|---|---|---|---|---|---|---|---|---|"
                if markdown
                else f"{'sent':<62}{'before':>8}{'peak':>8}{'after':>8}{'wait':>8}{'failed':>8}"
                f"{'exits':>8}  answered",
                flush=True,
            )
            for attack in chosen:
                rows.append(measured(attack, target, servers))
                if attack.at == "backend":
                    asyncio.run(cancel_jobs(target))
                print(row_text(rows[-1], markdown=markdown), flush=True)
                if rows[-1].exits:
                    print(servers.log(attack.at)[-2000:], file=sys.stderr)
                    servers.stop()
                    target = servers.start()
        finally:
            servers.stop()
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what attacks cost others.")
    parser.add_argument(
        "--only", action="append", help="attacks whose name has this text in it; may be repeated"
    )
    parser.add_argument("--at", choices=("model server", "backend"), help="attacks on one server")
    parser.add_argument("--markdown", action="store_true", help="print the table for a document")
    parser.add_argument("--send", help=argparse.SUPPRESS)
    parser.add_argument("--target", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.send is not None:
        send(arguments.send, target_of(arguments.target))
        return 0
    # So that no server is left behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    chosen = [
        attack
        for attack in attacks()
        if arguments.at in (None, attack.at)
        and any(text.lower() in attack.name.lower() for text in arguments.only or [""])
    ]
    rows = run(chosen, markdown=arguments.markdown)
    broken = [row for row in rows if row.broken]
    print(
        f"\n{len(rows)} attacks, {len(broken)} beyond the bounds (peak +{MAX_MORE_MEGABYTES} MB,"
        f" wait {MAX_WAIT_SECONDS:g} s, no exit)."
    )
    if rows:
        most = max(rows, key=lambda row: row.peak - row.before)
        slowest = max(rows, key=lambda row: row.wait)
        print(f"Most memory: +{most.peak - most.before:,.0f} MB, {most.attack.name}.")
        print(f"Longest wait: {slowest.wait:.2f} s, {slowest.attack.name}.")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
