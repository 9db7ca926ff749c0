"""How soon the backend answers /healthz, and what memory it takes, while much is asked of it.

    python -m tests.benchmarks.budget [--only TEXT]... [--markdown]

Starts a backend with an instance as real processes. One by one, each load is sent from a process of
its own, while another process asks for /healthz on a new connection every few milliseconds. Prints
for each load how long the answers took, and the memory of the backend with its children: before,
at its peak, and ten seconds after the load has ended. A server that does nothing but answer is
asked in turn with the backend: its longest answer shows what the machine alone makes of it. The
exit code is 1 if an answer of the backend took 50 ms.
"""

from __future__ import annotations

import argparse
import itertools
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.attack import Attack, Target
from tests.benchmarks.hostile import AFTER_SECONDS, Servers, attacks, send_in_process
from tests.support.waiting import block_until

MAX_SECONDS = 0.05
_LOADS = (
    "40 photos of 30 MB",
    "40 uploads of 30 MB at once",
    "60 forms of 30 MB that do not end",
    "20 callers that leave after 30 MB",
    "40 photos of 2,500 x 2,500 at once",
    "10 PNG of 9,000 x 9,000 at once",
    "20 WebP of 9,000 x 9,000 at once",
    "4 x ",
)
"""Beginnings of the names of attacks of `hostile`."""
_PAUSE_SECONDS = 0.005
_TIMEOUT_SECONDS = 60.0
_REQUEST = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Row:
    """What one load cost: the seconds that answers took, and MB."""

    load: str
    answer: str
    waits: Sequence[float]
    idle_waits: Sequence[float]
    """Of the server that has nothing else to do."""
    before: float
    peak: float
    after: float

    def cells(self) -> Sequence[str]:
        p99 = statistics.quantiles(self.waits, n=100)[-1]
        times = (statistics.median(self.waits), p99, max(self.waits), max(self.idle_waits))
        memory = (self.before, self.peak, self.after)
        return (
            self.load,
            *(f"{1000 * seconds:.1f}" for seconds in times),
            *(f"{megabytes:,.0f}" for megabytes in memory),
            self.answer,
        )


def loads() -> list[Attack]:
    return [each for each in attacks() if each.at == "backend" and each.name.startswith(_LOADS)]


@contextmanager
def prober(target: Target, folder: Path) -> Iterator[Path]:
    """Ask for /healthz all the time in a process of its own; yields the file of its waits."""
    waits = folder / "healthz.txt"
    waits.unlink(missing_ok=True)
    module = (sys.executable, "-m", "tests.benchmarks.budget")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ports = (str(target.backend[1]), str(listener.getsockname()[1]))
        processes = (
            subprocess.Popen([*module, "--probe", str(waits), "--ports", *ports]),
            subprocess.Popen([*module, "--answer"], stdin=listener.fileno()),
        )
    try:
        block_until(lambda: waits.exists() and waits.stat().st_size > 0)
        yield waits
    finally:
        for process in processes:
            process.terminate()
            process.wait(60)


def answer_all(listener: socket.socket) -> None:
    """Answer every request."""
    while True:
        with listener.accept()[0] as connection:
            connection.recv(1024)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")


def probe(ports: Sequence[int], file: Path) -> None:
    """Ask again and again; writes each port, when it answered, and after how many seconds."""
    with file.open("w", buffering=1) as waits:
        for port in itertools.cycle(ports):
            began = time.monotonic()
            with socket.create_connection(("127.0.0.1", port), _TIMEOUT_SECONDS) as connection:
                connection.sendall(_REQUEST)
                assert connection.recv(64).startswith(b"HTTP/1.1 200 ")
            ended = time.monotonic()
            waits.write(f"{port} {ended} {ended - began}\n")
            time.sleep(_PAUSE_SECONDS)


def measured(load: Attack, target: Target, servers: Servers) -> Row:
    """Send one load, and return what it cost."""
    before = servers.megabytes(load.at)
    with prober(target, servers.folder) as waits:
        began = time.monotonic()
        answer, peak = send_in_process(load, target, servers)
        ended = time.monotonic()
        while time.monotonic() < ended + AFTER_SECONDS:
            peak = max(peak, servers.megabytes(load.at))
            time.sleep(0.05)
    after = servers.megabytes(load.at)
    during: dict[bool, list[float]] = {True: [], False: []}
    for port, end, seconds in map(str.split, waits.read_text().splitlines()):
        if float(end) >= began:
            during[int(port) == target.backend[1]].append(float(seconds))
    return Row(load.name, answer, during[True], during[False], before, peak, after)


def run(chosen: Sequence[Attack], *, markdown: bool) -> list[Row]:
    heads = (
        "load",
        "median",
        "p99",
        "longest, ms",
        "idle server",
        "MB before",
        "peak",
        "after",
        "answered",
    )
    print(_line(heads, markdown=markdown), flush=True)
    if markdown:
        print("|---" * len(heads) + "|")
    rows = []
    with tempfile.TemporaryDirectory(prefix="servery-budget-") as folder:
        servers = Servers(Path(folder))
        try:
            target = servers.start()
            for load in chosen:
                rows.append(measured(load, target, servers))
                print(_line(rows[-1].cells(), markdown=markdown), flush=True)
        finally:
            servers.stop()
    return rows


def _line(cells: Sequence[str], *, markdown: bool) -> str:
    if markdown:
        return f"| {' | '.join(cells)} |"
    name, *figures, answer = cells
    return f"{name:<40}{''.join(f'{figure:>12}' for figure in figures)}  {answer}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure /healthz and memory under load.")
    parser.add_argument("--only", action="append", help="loads whose name has this text in it")
    parser.add_argument("--markdown", action="store_true", help="print the table for a document")
    parser.add_argument("--probe", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--ports", type=int, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--answer", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.answer:
        answer_all(socket.socket(fileno=0))
    if arguments.probe is not None:
        probe(arguments.ports, arguments.probe)
    # So that no server is left behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    chosen = [
        load
        for load in loads()
        if any(text.lower() in load.name.lower() for text in arguments.only or [""])
    ]
    rows = run(chosen, markdown=arguments.markdown)
    slow = [row.load for row in rows if max(row.waits) >= MAX_SECONDS]
    print(f"\n{len(rows)} loads; /healthz took 50 ms or more during {len(slow)} of them.")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
