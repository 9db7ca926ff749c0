"""What it costs a connection to the backend to find out whose program is at its other end.

    python -m tests.benchmarks.peer_owner [--connections 1000]

Looked up once a connection, by netlink; and by reading the tables in /proc, as is done where
the kernel does not answer that.
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

from backend import peer

LOOKUPS = 500


def measure(name: str, ends: list[tuple[peer.Address, peer.Address]]) -> None:
    """Print how long the owner of each of these connections takes to be found."""
    milliseconds = []
    for client, server in ends:
        started = time.perf_counter()
        owner = peer.owner_of_peer(client, server)
        milliseconds.append(1000 * (time.perf_counter() - started))
        assert owner == os.getuid()
    milliseconds.sort()
    print(
        f"{name:<28} median {statistics.median(milliseconds):6.3f} ms,"
        f" p99 {milliseconds[len(milliseconds) * 99 // 100]:6.3f} ms,"
        f" worst {milliseconds[-1]:6.3f} ms, {len(milliseconds)} lookups",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peer_owner")
    parser.add_argument("--connections", type=int, default=1000, help="others that are open")
    count = parser.parse_args().connections
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=count))
        ends = []
        for _ in range(count + 1):
            stack.enter_context(socket.create_connection(listener.getsockname()))
            accepted, client = listener.accept()
            stack.enter_context(accepted)
            ends.append((client, accepted.getsockname()))
        chosen = [ends[number * len(ends) // LOOKUPS] for number in range(LOOKUPS)]
        print(f"{count:,} other connections, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        measure("by netlink", chosen)
        with _tables_alone():
            measure("by the tables in /proc", chosen[:: LOOKUPS // 50])


@contextmanager
def _tables_alone() -> Iterator[None]:
    def refuse(*ends: object) -> tuple[int, int, int]:
        raise PermissionError

    with mock.patch.object(peer, "_ask_kernel", refuse):
        yield


if __name__ == "__main__":
    main()
