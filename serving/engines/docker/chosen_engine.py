"""The engine that a person chose: where it is, and whether it can be chosen."""

from __future__ import annotations

import asyncio
from pathlib import Path

from serving.engines.docker.discovery import find_engine
from serving.engines.docker.endpoints import (
    DockerEndpoint,
    HostEnvironment,
    TlsFiles,
    candidate_endpoints,
    endpoint_at,
    endpoint_of_context,
    environment_variable,
)
from serving.engines.engine_address import EngineAddress, save_address
from serving.engines.names import AUTO
from serving.errors import EngineError
from serving.workspace import Workspace

_CONTEXT = "context:"
"""Before the name of a context that could be taken for another choice."""
_ORIGIN = "chosen for this workspace"


def candidates_of(address: EngineAddress, host: HostEnvironment) -> list[DockerEndpoint]:
    """Return the endpoints to try; what the environment names comes before any choice."""
    if address.automatic or environment_variable(host):
        return candidate_endpoints(host)
    return [chosen_endpoint(address, host)]


def chosen_endpoint(address: EngineAddress, host: HostEnvironment) -> DockerEndpoint:
    """Return where a chosen engine is, which must not be the automatic choice."""
    if address.context:
        origin = f"the Docker context {address.context}, {_ORIGIN}"
        return endpoint_of_context(host, address.context, origin)
    tls = TlsFiles(Path(address.certificates)) if address.certificates else None
    return endpoint_at(address.url, _ORIGIN, tls)


def parse_address(text: str, certificates: str = "") -> EngineAddress:
    """Return what a person typed: an address, the name of a Docker context, or `auto`.

    `context:NAME` is a context whatever it is called: a name has no colon.
    """
    text = text.strip()
    if text in ("", AUTO):
        return EngineAddress()
    if text.startswith(_CONTEXT) and len(text) > len(_CONTEXT):
        return EngineAddress(context=text.removeprefix(_CONTEXT))
    if "://" in text or text.startswith("/"):
        return EngineAddress(url=text, certificates=certificates.strip())
    return EngineAddress(context=text)


async def choose(workspace: Workspace, address: EngineAddress, *, unchecked: bool = False) -> str:
    """Have every program of the workspace use an engine; returns which one answers, as a sentence.

    Raises EngineError, and changes nothing, if no engine can be at this address, or if none
    answers now; the latter is not asked if `unchecked`.
    """
    host = HostEnvironment.current()
    check_address(address, host)
    sentence = ""
    if not unchecked:
        sentence = await asyncio.to_thread(_find_description, address, host)
    await asyncio.to_thread(save_address, workspace, address)
    return sentence


def _find_description(address: EngineAddress, host: HostEnvironment) -> str:
    automatic = address.automatic
    found = find_engine(
        candidate_endpoints(host) if automatic else [chosen_endpoint(address, host)]
    )
    found.close()
    return found.description


def check_address(address: EngineAddress, host: HostEnvironment) -> None:
    """Raise EngineError if no engine can be at an address, whatever answers there."""
    if address.automatic:
        return
    endpoint = chosen_endpoint(address, host)
    if endpoint.error:
        raise EngineError(
            f"{address.context or address.url} cannot be used: {endpoint.error}",
            "Give an address such as ssh://USER@HOST, or name one of Docker's contexts.",
        )
    if endpoint.address is not None and not endpoint.local and endpoint.tls is None:
        raise EngineError(
            f"{endpoint.url} would be reached without TLS: whoever reaches that port could do"
            " anything on that machine.",
            "Name the folder with your certificates for it, or reach it by ssh.",
        )
