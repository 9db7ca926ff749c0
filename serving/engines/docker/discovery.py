"""Finds the container engine that answers, or why none does."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Container, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, replace
from typing import Any, Protocol

import docker
import docker.constants
import docker.errors
from docker.tls import TLSConfig

from serving.engines.docker.endpoints import DockerEndpoint
from serving.engines.docker.errors import (
    LIBRARY_ERRORS,
    NOT_AN_ENGINE,
    UNAVAILABLE_ADVICE,
    EngineUnavailable,
)
from serving.engines.docker.exec_tunnel import ExecTunnel
from serving.engines.docker.ssh_tunnel import SshTunnel
from serving.engines.docker.tls import tls_context, tls_fault
from serving.engines.protocol import Instance

ANSWER_TIMEOUT_SECONDS = 2
"""The timeout of each request during the search."""
SEARCH_TIMEOUT_SECONDS = 2.8
"""The timeout of the whole search, unless a candidate is on another machine."""
FAR_SEARCH_TIMEOUT_SECONDS = 9.0
CALL_TIMEOUT_SECONDS = 30
"""The timeout of each request after the search."""
_CONNECTIONS = 24
"""Connections that one client keeps open for the next request."""
_TIMED_OUT = f"It takes connections, but does not answer within {ANSWER_TIMEOUT_SECONDS} s."

_NOTHING_ANSWERS = f"Nothing answers there within {ANSWER_TIMEOUT_SECONDS} s."


@dataclass(frozen=True)
class EngineInfo:
    """What an engine reports about itself."""

    name: str
    """`Docker Engine 20.10.24` or `Podman 4.3.1`."""
    api_version: str
    """The negotiated version of the API."""
    system: str
    """Operating system of its containers: `linux` or `windows`."""
    architecture: str
    """As in image names: `amd64`, `arm64`."""
    cores: int
    rootless: bool
    init: bool
    """Whether it can run a small init as the first process of a container."""
    runtimes: tuple[str, ...]
    memory: int = 0
    """Bytes of the machine that it runs on."""
    limits_memory: bool = False
    """Whether it can limit the memory of a container, and its processes."""
    limits_pids: bool = False

    @property
    def podman(self) -> bool:
        """Whether it is Podman, which offers Docker's API."""
        return self.name.startswith("Podman")

    @classmethod
    def read(cls, version: Mapping[str, Any], info: Mapping[str, Any], api: str) -> EngineInfo:
        """Read the answers to `/version` and `/info`."""
        options = [str(option) for option in info.get("SecurityOptions") or ()]
        return cls(
            name=_name(version),
            api_version=api,
            system=str(version.get("Os") or info.get("OSType") or "linux").lower(),
            architecture=_architecture(str(version.get("Arch") or info.get("Architecture") or "")),
            cores=max(1, int(info.get("NCPU") or 1)),
            rootless=any("name=rootless" in option for option in options),
            init=bool(info.get("InitBinary")),
            runtimes=tuple(sorted(info.get("Runtimes") or ())),
            memory=int(info.get("MemTotal") or 0),
            limits_memory=info.get("MemoryLimit") is True,
            limits_pids=info.get("PidsLimit") is True,
        )


class Tunnel(Protocol):
    """Leads to the ports of instances, which listen on the loopback of another machine."""

    def port(self, remote: int) -> int:
        """Return the port on this machine's loopback that leads there; raises EngineError."""

    def keep_only(self, remotes: Container[int]) -> None:
        """Close the local ports that lead to any others."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class FoundEngine:
    """An engine that answers."""

    endpoint: DockerEndpoint
    local_endpoint: DockerEndpoint
    """Where it is reached on this machine; differs only for an engine that is reached by ssh."""
    info: EngineInfo
    client: docker.APIClient
    tunnel: Tunnel | None = None
    """Leads to an engine on another machine."""

    @property
    def cpu_features(self) -> frozenset[str] | None:
        """Those of its CPU for `check_compatible`: not known if it is on another machine."""
        return None if self.tunnel is None else frozenset()

    @property
    def unavailable(self) -> EngineUnavailable:
        """The error to raise when it stops answering."""
        return EngineUnavailable(
            f"{self.info.name} at {self.endpoint.url} does not answer any more.", UNAVAILABLE_ADVICE
        )

    @property
    def description(self) -> str:
        text = f"{self.info.name} answers at {self.endpoint.url}, {self.endpoint.origin}."
        if self.tunnel is not None:
            text = f"{text} It is another machine: images that are classified are sent there."
        return text

    def check(self) -> None:
        """Raise EngineUnavailable if it does not answer any more, within 2 s.

        A call waits 30 s for an engine behind a network that was cut.
        """
        if self.endpoint.tls is None:
            # Takes 50 µs, and the `docker` package leaks a socket if it cannot connect.
            ping(self.local_endpoint)
            return
        try:
            url = f"{self.client.base_url}/_ping"
            self.client.get(url, timeout=ANSWER_TIMEOUT_SECONDS).close()
        except LIBRARY_ERRORS as error:
            raise EngineUnavailable(tls_fault(error)) from error

    def connect(self) -> docker.APIClient:
        """Return another client of it, with connections of its own; the caller closes it."""
        return _client(self.local_endpoint, self.info.api_version)

    def close(self) -> None:
        if self.tunnel is not None:
            self.tunnel.close()
        self.client.close()

    def with_local_addresses(self, instance: Instance) -> Instance:
        """Return the instance with the addresses by which it is reached from this machine."""
        if self.tunnel is None:
            return instance
        return replace(
            instance,
            grpc_address=_forwarded_address(self.tunnel, instance.grpc_address),
            rest_address=_forwarded_address(self.tunnel, instance.rest_address),
        )


def _forwarded_address(tunnel: Tunnel, address: str | None) -> str | None:
    return f"127.0.0.1:{tunnel.port(int(address.rpartition(':')[2]))}" if address else None


def find_engine(candidates: Sequence[DockerEndpoint]) -> FoundEngine:
    """Return the first of `candidates` that answers, trying all at once.

    Takes at most 3 s, or 9 s if one is on another machine. Raises EngineUnavailable
    with the reason of each candidate.
    """
    pool = ThreadPoolExecutor(max(1, len(candidates)), "find-engine")
    timeout = SEARCH_TIMEOUT_SECONDS
    if any(not each.local for each in candidates):
        timeout = FAR_SEARCH_TIMEOUT_SECONDS
    deadline = time.monotonic() + timeout
    attempts = [(each, pool.submit(_connect, each)) for each in candidates]
    reasons: list[tuple[DockerEndpoint, str]] = []
    found: FoundEngine | None = None
    try:
        # In their order, not as they complete: a better candidate wins over a faster one.
        for endpoint, attempt in attempts:
            if found is not None:
                attempt.add_done_callback(_close)
                continue
            try:
                found = attempt.result(max(0.0, deadline - time.monotonic()))
            except FutureTimeoutError:
                attempt.add_done_callback(_close)
                reasons.append((endpoint, _TIMED_OUT))
            except EngineUnavailable as error:
                reasons.append((endpoint, error.what))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if found is not None:
        return found
    raise _none_answers(reasons)


def _none_answers(reasons: Sequence[tuple[DockerEndpoint, str]]) -> EngineUnavailable:
    """Return the error with the reason of each candidate.

    A default address with nothing there (its reason is "") is normal, so such
    addresses are only listed in the advice.
    """
    elsewhere = bool(reasons) and not any(endpoint.local for endpoint, _ in reasons)
    where = "at its address" if elsewhere else "on this machine"
    sentences = [f"No container engine answers {where}."]
    absent = []
    for endpoint, reason in reasons:
        if reason or endpoint.exclusive:
            address = endpoint.url or "No address"
            sentences.append(f"{address} ({endpoint.origin}): {reason or 'Nothing is there.'}")
        else:
            absent.append(endpoint.url.removeprefix("unix://"))
    advice = "Start Docker or Podman, or set DOCKER_HOST to its address."
    if elsewhere:
        advice = "Start it, or check the network on the way: it is used as soon as it answers."
    if absent:
        advice = f"{advice} Nothing is there at {', '.join(absent)}."
    return EngineUnavailable(" ".join(sentences), advice)


def _close(attempt: Future[FoundEngine]) -> None:
    """Close an engine that answered, but was not needed or came too late."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()


def _connect(endpoint: DockerEndpoint) -> FoundEngine:
    """Connect to one engine; raises EngineUnavailable with the reason, "" if nothing is there."""
    if endpoint.error:
        raise EngineUnavailable(endpoint.error)
    address = endpoint.ssh
    if address is None and not endpoint.local and endpoint.tls is None:
        raise EngineUnavailable(
            "It is on another machine, where whoever reaches that port could do anything, and "
            "read every photo on the way. Reach it by ssh (DOCKER_HOST=ssh://USER@HOST, or a "
            "Docker context with such an address), or by TLS with certificates."
        )
    with contextlib.ExitStack() as undo:
        tunnel: Tunnel | None = None
        local_endpoint = endpoint
        if address is not None:
            by_ssh = tunnel = SshTunnel(address)
            by_ssh.open()
            undo.callback(by_ssh.close)
            local_endpoint = DockerEndpoint(f"unix://{by_ssh.socket}", endpoint.origin)
        client, info = _negotiated_client(local_endpoint)
        if endpoint.tls is not None and endpoint.address is not None and not endpoint.local:
            tunnel = ExecTunnel(client, endpoint.address, tls_context(endpoint.tls))
        undo.pop_all()
        return FoundEngine(endpoint, local_endpoint, info, client, tunnel)


def _negotiated_client(endpoint: DockerEndpoint) -> tuple[docker.APIClient, EngineInfo]:
    """Return a client that speaks the engine's version of the API; raises EngineUnavailable."""
    ping(endpoint)
    started = time.monotonic()
    try:
        with contextlib.closing(
            _client(endpoint, docker.constants.DEFAULT_DOCKER_API_VERSION)
        ) as probe_client:
            version = probe_client.version(api_version=False)
        with contextlib.ExitStack() as undo:
            client = _client(endpoint, negotiate(version))
            undo.callback(client.close)
            info = EngineInfo.read(version, client.info(), client.api_version)
            client.timeout = CALL_TIMEOUT_SECONDS
            undo.pop_all()
            return client, info
    except LIBRARY_ERRORS as error:
        if time.monotonic() - started >= ANSWER_TIMEOUT_SECONDS:
            raise EngineUnavailable(_TIMED_OUT) from error
        if fault := tls_fault(error):
            raise EngineUnavailable(fault) from error
        raise EngineUnavailable(
            f"What answers is not a container engine: {_why(error)}."
        ) from error
    except NOT_AN_ENGINE as error:
        raise EngineUnavailable(
            "What answers is not a container engine: it does not say which one it is."
        ) from error


def _why(error: Exception) -> str:
    """Say what is wrong with an answer, as the rest of a sentence."""
    if isinstance(error, docker.errors.APIError):
        return f"it refuses with HTTP status {error.status_code}"
    if isinstance(error, ValueError):
        return "it does not answer with JSON"
    return "it breaks off, or speaks no HTTP"


def negotiate(version: Mapping[str, Any]) -> str:
    """Return the newest version of the API that both sides know.

    Raises KeyError, or another of NOT_AN_ENGINE, for what no engine answers to `/version`.
    """
    theirs = version["ApiVersion"] or docker.constants.MINIMUM_DOCKER_API_VERSION
    minimum = str(version.get("MinAPIVersion") or theirs)
    ours = docker.constants.DEFAULT_DOCKER_API_VERSION
    return max(min(theirs, ours, key=_numbers), minimum, key=_numbers)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _client(endpoint: DockerEndpoint, api_version: str) -> docker.APIClient:
    tls: TLSConfig | bool = False
    if endpoint.tls is not None:
        tls = TLSConfig(
            client_cert=(str(endpoint.tls.certificate), str(endpoint.tls.key)),
            ca_cert=str(endpoint.tls.authority) if endpoint.tls.authority.is_file() else None,
            verify=True,
        )
    client = docker.APIClient(
        base_url=endpoint.base_url,
        version=api_version,
        timeout=ANSWER_TIMEOUT_SECONDS,
        tls=tls,
        max_pool_size=_CONNECTIONS,
    )
    if endpoint.tls is not None:
        # Authorities that REQUESTS_CA_BUNDLE names would replace the engine's own.
        client.trust_env = False
    return client


def ping(endpoint: DockerEndpoint) -> None:
    """Raise EngineUnavailable with the reason if nobody listens; "" if nothing is there."""
    if endpoint.tls is not None and endpoint.socket is None:
        tls_context(endpoint.tls)
    try:
        if endpoint.socket is not None:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(ANSWER_TIMEOUT_SECONDS)
                probe.connect(str(endpoint.socket))
        elif endpoint.address is not None:
            with socket.create_connection(endpoint.address, ANSWER_TIMEOUT_SECONDS) as probe:
                if endpoint.tls is not None:
                    # Without a handshake, the engine would log each probe as a failed one.
                    tls_context(endpoint.tls).wrap_socket(
                        probe, server_hostname=endpoint.address[0]
                    ).close()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise EngineUnavailable("") from error
    except PermissionError as error:
        raise EngineUnavailable(
            "This user may not use it; a member of the group that owns the socket may "
            "(for Docker: sudo usermod -aG docker $USER, then log in again)."
        ) from error
    except ConnectionRefusedError as error:
        raise EngineUnavailable("Nobody listens there; the engine is not running.") from error
    except TimeoutError as error:
        reason = _TIMED_OUT if endpoint.socket is not None else _NOTHING_ANSWERS
        raise EngineUnavailable(reason) from error
    except OSError as error:
        reason = tls_fault(error) or f"It cannot be reached: {error.strerror or error}."
        raise EngineUnavailable(reason) from error


def _name(version: Mapping[str, Any]) -> str:
    number = str(version.get("Version") or "").split("+")[0]
    for component in version.get("Components") or ():
        if str(component.get("Name", "")).startswith("Podman"):
            return f"Podman {component.get('Version', number)}"
    return f"Docker Engine {number}".strip()


def _architecture(machine: str) -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
