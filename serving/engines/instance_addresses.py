"""Where instances are that somebody else manages: fixed addresses, and names in DNS."""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from serving.engines.server_flags import GRPC_PORT
from serving.errors import EngineError

ENVIRONMENT_VARIABLE = "SERVERY_INSTANCES"
KEPT_SECONDS = 60.0
"""How long the last addresses of a name count while DNS does not answer."""
RESOLVE_SECONDS = 5.0
_DNS = "dns:"
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?")

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Returns the IP addresses of a host name; raises OSError."""


@dataclass(frozen=True)
class InstanceSource:
    """One address, or a name whose every address is an instance."""

    host: str
    port: int
    resolved: bool
    """Whether the host is a name that is resolved again and again."""

    @property
    def address(self) -> str:
        return _address(self.host, self.port)


def parse_instances(text: str) -> tuple[InstanceSource, ...]:
    """Return what `dns:NAME:PORT` or `HOST:PORT`, several with commas between, name.

    Without a port it is 8500. Raises EngineError for anything else.
    """
    found = []
    for entry in (part.strip() for part in text.split(",")):
        matched = _HOST.fullmatch(entry.removeprefix(_DNS))
        port = int(matched["port"] or GRPC_PORT) if matched else 0
        if matched is None or not 0 < port < 2**16:
            raise EngineError(
                f"{entry or 'Nothing'} is no address of instances.",
                f"Set {ENVIRONMENT_VARIABLE} to dns:NAME:PORT, such as dns:serving:8500, or to"
                " HOST:PORT, several with commas between.",
            )
        host = matched["host"].strip("[]")
        found.append(InstanceSource(host, port, entry.startswith(_DNS)))
    return tuple(found)


class InstanceAddresses:
    """The addresses of instances as they are now.

    While DNS does not answer, a name keeps the addresses that it had, for up to KEPT_SECONDS; a
    name that DNS does not know has none.
    """

    def __init__(
        self,
        sources: Sequence[InstanceSource],
        resolve: Resolve | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.sources = tuple(sources)
        self._resolve = resolve or resolve_host
        self._monotonic = monotonic
        self._known: dict[InstanceSource, tuple[float, list[str]]] = {}
        """When each name was resolved last, and to what."""

    async def current(self) -> list[str]:
        """Return each address once, as `host:port`, in the order of the sources; never raises."""
        each = await asyncio.gather(*(self._addresses_of(source) for source in self.sources))
        return list(dict.fromkeys(address for found in each for address in found))

    async def _addresses_of(self, source: InstanceSource) -> list[str]:
        if not source.resolved:
            return [source.address]
        now = self._monotonic()
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                hosts = await self._resolve(source.host, source.port)
        except socket.gaierror as error:
            if error.errno in (socket.EAI_NONAME, socket.EAI_NODATA):
                self._known.pop(source, None)
                return []
            return self._kept(source, now)
        except (OSError, TimeoutError, UnicodeError):
            return self._kept(source, now)
        found = sorted(_address(host, source.port) for host in set(hosts))
        self._known[source] = (now, found)
        return found

    def _kept(self, source: InstanceSource, now: float) -> list[str]:
        since, found = self._known.get(source, (now, []))
        return found if now - since < KEPT_SECONDS else []


async def resolve_host(host: str, port: int) -> list[str]:
    """Ask the system for the addresses of a name; raises OSError."""
    loop = asyncio.get_running_loop()
    rows = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(row[4][0]) for row in rows]


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
