"""Where a container engine may answer on this machine: read, not tried."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from serving.engines.docker.ssh_tunnel import SshAddress

_LOOPBACK = ("localhost", "::1")


@dataclass(frozen=True)
class TlsFiles:
    """Certificates for an engine that is reached over TLS."""

    folder: Path
    verify: bool = True

    @property
    def authority(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def certificate(self) -> Path:
        return self.folder / "cert.pem"

    @property
    def key(self) -> Path:
        return self.folder / "key.pem"


@dataclass(frozen=True)
class DockerEndpoint:
    """One address at which an engine may answer."""

    url: str
    """`unix:///run/docker.sock`, `tcp://127.0.0.1:2375`, `npipe://…` or `ssh://…`."""
    origin: str
    """Who named it, to go into a sentence: `the environment variable DOCKER_HOST`."""
    tls: TlsFiles | None = None
    exclusive: bool = False
    """A person named this one for this program, so no other is tried."""
    error: str = ""
    """Why it cannot even be tried, as a sentence; empty otherwise."""

    @property
    def socket(self) -> Path | None:
        """The file of a Unix socket."""
        return Path(self.url.removeprefix("unix://")) if self.url.startswith("unix://") else None

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of an engine that is reached over TCP."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("tcp", "http", "https") or not parts.hostname:
            return None
        try:
            return parts.hostname, parts.port or (2376 if self.tls else 2375)
        except ValueError:
            return None

    @property
    def ssh(self) -> SshAddress | None:
        """Where an engine is that is reached by ssh."""
        parts = urlsplit(self.url)
        if parts.scheme != "ssh" or not parts.hostname:
            return None
        try:
            port = parts.port
        except ValueError:
            return None
        user, at, _ = parts.netloc.rpartition("@")
        name = user.partition(":")[0]
        return SshAddress(f"{name}{at}{parts.hostname}", port, parts.path.rstrip("/"))

    @property
    def local(self) -> bool:
        """Whether the engine publishes ports on this machine's own loopback."""
        if self.url.startswith(("unix://", "npipe://")):
            return True
        address = self.address
        return address is not None and (address[0] in _LOOPBACK or address[0].startswith("127."))


@dataclass(frozen=True)
class HostEnvironment:
    """What decides where engines may answer."""

    environment: Mapping[str, str]
    home: Path
    platform: str
    """As in `sys.platform`."""
    user: int
    """User id; 0 where the platform has none."""

    @classmethod
    def current(cls) -> HostEnvironment:
        return cls(
            environment=dict(os.environ),
            home=Path.home(),
            platform=sys.platform,
            user=os.getuid() if hasattr(os, "getuid") else 0,
        )


def candidate_endpoints(host_environment: HostEnvironment) -> list[DockerEndpoint]:
    """Return every endpoint to try, the best first.

    `DOCKER_HOST`, or else the context that `DOCKER_CONTEXT` names, is the only
    one where it is set; otherwise the current Docker context comes before the
    sockets that engines usually listen on.
    """
    environment = host_environment.environment
    if host := environment.get("DOCKER_HOST", "").strip():
        return [_from_environment(host, host_environment)]
    if name := environment.get("DOCKER_CONTEXT", "").strip():
        if name == "default":
            return _default(host_environment)
        origin = f"the Docker context {name}, which DOCKER_CONTEXT names"
        return [_from_context(name, origin, host_environment, exclusive=True)]
    found = _default(host_environment)
    if name := _current_context(host_environment):
        origin = f"the current Docker context {name}"
        found = [_from_context(name, origin, host_environment), *found]
    distinct: dict[str, DockerEndpoint] = {}
    for each in found:
        distinct.setdefault(each.url, each)
    return list(distinct.values())


def _from_environment(host: str, host_environment: HostEnvironment) -> DockerEndpoint:
    environment = host_environment.environment
    tls = None
    if environment.get("DOCKER_TLS_VERIFY"):
        folder = environment.get("DOCKER_CERT_PATH") or str(_docker_folder(host_environment))
        tls = TlsFiles(Path(folder))
    return _endpoint(host, "the environment variable DOCKER_HOST", tls, exclusive=True)


def _endpoint(host: str, origin: str, tls: TlsFiles | None, *, exclusive: bool) -> DockerEndpoint:
    if host.startswith("/"):
        host = f"unix://{host}"
    error = ""
    if "://" not in host:
        error = f"{host} is not an address of a container engine."
    return DockerEndpoint(host, origin, tls, exclusive, error)


def _docker_folder(host_environment: HostEnvironment) -> Path:
    named = host_environment.environment.get("DOCKER_CONFIG")
    return Path(named) if named else host_environment.home / ".docker"


def _current_context(host_environment: HostEnvironment) -> str:
    name = _json(_docker_folder(host_environment) / "config.json").get("currentContext")
    return name if isinstance(name, str) and name != "default" else ""


def _from_context(
    name: str, origin: str, host_environment: HostEnvironment, *, exclusive: bool = False
) -> DockerEndpoint:
    """Read a context from where the `docker` command keeps it."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    folder = _docker_folder(host_environment) / "contexts"
    said = _json(folder / "meta" / digest / "meta.json").get("Endpoints")
    docker = said.get("docker") if isinstance(said, dict) else None
    host = docker.get("Host") if isinstance(docker, dict) else None
    if not isinstance(docker, dict) or not isinstance(host, str) or not host:
        error = "Docker keeps no context of that name with the address of an engine."
        return DockerEndpoint("", origin, None, exclusive, error)
    certificates = folder / "tls" / digest / "docker"
    verify = not docker.get("SkipTLSVerify")
    tls = TlsFiles(certificates, verify) if certificates.is_dir() else None
    return _endpoint(host, origin, tls, exclusive=exclusive)


def _json(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}


def _default(host_environment: HostEnvironment) -> list[DockerEndpoint]:
    """Return what engines listen on unless told otherwise, by platform."""
    if host_environment.platform == "win32":
        pipes = {
            "docker_engine": "Docker",
            "dockerDesktopLinuxEngine": "Docker Desktop",
            "podman-machine-default": "Podman",
        }
        return [
            DockerEndpoint(f"npipe:////./pipe/{pipe}", f"the usual pipe of {engine}")
            for pipe, engine in pipes.items()
        ]
    home = host_environment.home
    runtime = Path(
        host_environment.environment.get("XDG_RUNTIME_DIR") or f"/run/user/{host_environment.user}"
    )
    colima = Path(host_environment.environment.get("COLIMA_HOME") or home / ".colima")
    sockets = {
        Path("/var/run/docker.sock"): "Docker",
        runtime / "docker.sock": "Docker without root",
        home / ".docker/run/docker.sock": "Docker Desktop",
        home / ".docker/desktop/docker.sock": "Docker Desktop",
        home / ".orbstack/run/docker.sock": "OrbStack",
        home / ".rd/docker.sock": "Rancher Desktop",
        colima / "default/docker.sock": "Colima",
        colima / "docker.sock": "Colima",
        runtime / "podman/podman.sock": "Podman",
        Path("/run/podman/podman.sock"): "Podman",
    }
    if host_environment.platform == "darwin":
        machines = home / ".local/share/containers/podman/machine"
        sockets[machines / "podman.sock"] = "Podman"
        sockets[machines / "podman-machine-default/podman.sock"] = "Podman"
    return [
        DockerEndpoint(f"unix://{path}", f"the usual socket of {e}") for path, e in sockets.items()
    ]
