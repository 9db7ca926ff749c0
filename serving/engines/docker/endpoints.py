"""The addresses at which a container engine may answer: collected, not tried."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from serving.engines.docker.ssh_tunnel import SshAddress

DEFAULT_SOCKET = "unix:///var/run/docker.sock"
"""What the `docker` command uses by default."""
_SCHEMES = ("tcp", "http", "https", "ssh")
_WITH_TLS = ("tcp://", "https://")
_HOST = re.compile(r"[\w:%][\w.:%-]*", re.ASCII)
_LOOPBACK = ("localhost", "::1")
_VARIABLES = ("DOCKER_HOST", "DOCKER_CONTEXT")
"""Each names the only engine to try; the first that is set counts."""


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

    @property
    def options(self) -> dict[str, Path]:
        """The options of the `docker` command that name them."""
        files = {
            "--tlscacert": self.authority,
            "--tlscert": self.certificate,
            "--tlskey": self.key,
        }
        return {option: path for option, path in files.items() if path.is_file()}


@dataclass(frozen=True)
class DockerEndpoint:
    """One address at which an engine may answer."""

    url: str
    """`unix:///run/docker.sock`, `tcp://127.0.0.1:2375` or `ssh://…`."""
    origin: str
    """Where the address comes from, for messages: `the environment variable DOCKER_HOST`."""
    tls: TlsFiles | None = None
    exclusive: bool = False
    """The environment names this one, so no other is tried."""
    error: str = ""
    """Why it cannot be tried, as a sentence; empty otherwise."""

    @property
    def socket(self) -> Path | None:
        """The path of a Unix socket."""
        return Path(self.url.removeprefix("unix://")) if self.url.startswith("unix://") else None

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of an engine that is reached by TCP."""
        if self.error:
            return None
        parts = urlsplit(self.url)
        if parts.scheme not in ("tcp", "http", "https") or not parts.hostname:
            return None
        try:
            return parts.hostname, parts.port or (2376 if self.tls else 2375)
        except ValueError:
            return None

    @property
    def base_url(self) -> str:
        """Return the URL for the `docker` package, which takes none without a port."""
        if self.address is None:
            return self.url
        host, port = self.address
        return f"{urlsplit(self.url).scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def ssh(self) -> SshAddress | None:
        """The address of an engine that is reached by ssh."""
        if self.error:
            return None
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
        if self.socket is not None:
            return True
        host, _ = self.address or ("", 0)
        return host in _LOOPBACK or host.startswith("127.")


@dataclass(frozen=True)
class HostEnvironment:
    """What decides where engines may answer on this machine."""

    environment: Mapping[str, str]
    home: Path
    platform: str
    """As in `sys.platform`."""
    user: int
    """User id."""

    @property
    def docker_folder(self) -> Path:
        """Where the `docker` command keeps its settings."""
        return Path(self.environment.get("DOCKER_CONFIG") or self.home / ".docker")

    @classmethod
    def current(cls) -> HostEnvironment:
        return cls(
            environment=dict(os.environ),
            home=_home(),
            platform=sys.platform,
            user=os.getuid(),
        )


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a user whom this machine does not know, in a container
        return Path("/")


def environment_variable(host: HostEnvironment) -> str:
    """Return which variable names the engine; empty if none does."""
    return next((name for name in _VARIABLES if host.environment.get(name, "").strip()), "")


@dataclass(frozen=True)
class DockerContext:
    """A context that the `docker` command keeps."""

    name: str
    url: str


def docker_contexts(host: HostEnvironment) -> list[DockerContext]:
    """Return the contexts with an address that Servery can use, by name."""
    found = []
    for path in sorted((host.docker_folder / "contexts" / "meta").glob("*/meta.json")):
        name = _json(path).get("Name")
        if isinstance(name, str) and name:
            endpoint = endpoint_of_context(host, name, "")
            if not endpoint.error:
                found.append(DockerContext(name, endpoint.url))
    return sorted(found, key=lambda each: each.name)


def endpoint_of_context(host: HostEnvironment, name: str, origin: str) -> DockerEndpoint:
    """Return the only endpoint to try, that of a context; its `error` says if there is none."""
    return _from_context(host.docker_folder, name, origin, exclusive=True)


def endpoint_at(url: str, origin: str, tls: TlsFiles | None = None) -> DockerEndpoint:
    """Return the only endpoint to try; its `error` says if `url` is no address of an engine."""
    return _endpoint(url, origin, tls, exclusive=True)


def candidate_endpoints(host: HostEnvironment) -> list[DockerEndpoint]:
    """Return every endpoint to try, the best first.

    If `DOCKER_HOST`, or else `DOCKER_CONTEXT`, is set, it names the only one.
    Otherwise the current Docker context comes before the default sockets.
    """
    environment = host.environment
    if url := environment.get("DOCKER_HOST", "").strip():
        tls = None
        if environment.get("DOCKER_TLS_VERIFY"):
            tls = TlsFiles(Path(environment.get("DOCKER_CERT_PATH") or host.docker_folder))
        return [_endpoint(url, "the environment variable DOCKER_HOST", tls, exclusive=True)]
    if name := environment.get("DOCKER_CONTEXT", "").strip():
        if name == "default":
            return _default_sockets(host)
        origin = f"the Docker context {name}, which DOCKER_CONTEXT names"
        return [_from_context(host.docker_folder, name, origin, exclusive=True)]
    found = _default_sockets(host)
    current = _json(host.docker_folder / "config.json").get("currentContext")
    if isinstance(current, str) and current not in ("", "default"):
        origin = f"the current Docker context {current}"
        found.insert(0, _from_context(host.docker_folder, current, origin, exclusive=False))
    distinct: dict[str, DockerEndpoint] = {}
    for each in found:
        distinct.setdefault(each.url, each)
    return list(distinct.values())


def _endpoint(url: str, origin: str, tls: TlsFiles | None, *, exclusive: bool) -> DockerEndpoint:
    if url.startswith("/"):
        url = f"unix://{url}"
    error = "" if _is_address(url) else "It is not an address of a container engine."
    if not url.startswith(_WITH_TLS):
        tls = None
    return DockerEndpoint(url, origin, tls, exclusive, error)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:  # such as a bracket without the other one, or a port beyond 65535
        return False
    if not url.isprintable():
        return False
    if parts.scheme == "unix":
        return url.startswith("unix:///")
    return parts.scheme in _SCHEMES and bool(host and _HOST.fullmatch(host))


def _from_context(folder: Path, name: str, origin: str, *, exclusive: bool) -> DockerEndpoint:
    """Read a context that the `docker` command keeps in its folder."""
    # It names the folders of contexts by this digest.
    digest = hashlib.sha256(name.encode()).hexdigest()
    endpoints = _json(folder / "contexts" / "meta" / digest / "meta.json").get("Endpoints")
    docker = endpoints.get("docker") if isinstance(endpoints, dict) else None
    url = docker.get("Host") if isinstance(docker, dict) else None
    if not isinstance(docker, dict) or not isinstance(url, str) or not url:
        error = "Docker has no context of that name with the address of an engine."
        return DockerEndpoint("", origin, None, exclusive, error)
    certificates = folder / "contexts" / "tls" / digest / "docker"
    verify = not docker.get("SkipTLSVerify")
    tls = TlsFiles(certificates, verify) if certificates.is_dir() else None
    return _endpoint(url, origin, tls, exclusive=exclusive)


def _json(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}


def _default_sockets(host: HostEnvironment) -> list[DockerEndpoint]:
    """Return the sockets that engines listen on by default."""
    home = host.home
    runtime = Path(host.environment.get("XDG_RUNTIME_DIR") or f"/run/user/{host.user}")
    colima = Path(host.environment.get("COLIMA_HOME") or home / ".colima")
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
    if host.platform == "darwin":
        machines = home / ".local/share/containers/podman/machine"
        sockets[machines / "podman.sock"] = "Podman"
        sockets[machines / "podman-machine-default/podman.sock"] = "Podman"
    return [
        DockerEndpoint(f"unix://{path}", f"the default socket of {engine}")
        for path, engine in sockets.items()
    ]
