"""Who is at the other end of a connection over loopback."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path

Address = tuple[str, int]
"""Host and port."""

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_UID_COLUMN = 7


def owner_of_peer(client: Address, server: Address) -> int | None:
    """Return the user id that owns the client's end of a connection; None if nobody can tell.

    Linux alone says so, for connections within one machine: proc(5), /proc/net/tcp.
    """
    ends = _normal(*client), _normal(*server)
    for local, remote, owner in _connections():
        if (local, remote) == ends:
            return owner
    return None


def _connections() -> Iterator[tuple[object, object, int]]:
    """Yield the local end, the remote end and the owner of every TCP socket."""
    for table in _TABLES:
        try:
            rows = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            yield _parsed(columns[1]), _parsed(columns[2]), int(columns[_UID_COLUMN])


def _parsed(text: str) -> object:
    """Read `0100007F:1F90`: the address as words of four bytes, the least significant first."""
    address, port = text.split(":")
    data = bytes.fromhex(address)
    ordered = b"".join(data[at : at + 4][::-1] for at in range(0, len(data), 4))
    return _normal(str(ipaddress.ip_address(ordered)), int(port, 16))


def _normal(host: str, port: int) -> object:
    address = ipaddress.ip_address(host)
    # An IPv6 socket that reaches an IPv4 one shows the mapped address.
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address, port
