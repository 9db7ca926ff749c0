from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from serving.engines.docker.discovery import find_engine
from serving.engines.docker.endpoints import (
    DockerEndpoint,
    HostEnvironment,
    TlsFiles,
    candidate_endpoints,
)
from serving.engines.docker.errors import EngineUnavailable
from serving.engines.docker.ssh_tunnel import SshAddress

LINUX_SOCKETS = [
    "unix:///var/run/docker.sock",
    "unix:///run/user/1000/docker.sock",
    "unix://{home}/.docker/run/docker.sock",
    "unix://{home}/.docker/desktop/docker.sock",
    "unix://{home}/.orbstack/run/docker.sock",
    "unix://{home}/.rd/docker.sock",
    "unix://{home}/.colima/default/docker.sock",
    "unix://{home}/.colima/docker.sock",
    "unix:///run/user/1000/podman/podman.sock",
    "unix:///run/podman/podman.sock",
]


def found(home: Path, platform: str = "linux", **environment: str) -> list[DockerEndpoint]:
    return candidate_endpoints(HostEnvironment(environment, home, platform, 1000))


def urls(home: Path, platform: str = "linux", **environment: str) -> list[str]:
    return [each.url for each in found(home, platform, **environment)]


def default_urls(home: Path) -> list[str]:
    return [url.format(home=home) for url in LINUX_SOCKETS]


def write_context(home: Path, name: str, docker: dict[str, Any]) -> Path:
    """Keep a context as the `docker` command does; returns the folder for its certificates."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    folder = home / ".docker/contexts/meta" / digest
    folder.mkdir(parents=True)
    content = {"Name": name, "Metadata": {}, "Endpoints": {"docker": docker}}
    (folder / "meta.json").write_text(json.dumps(content))
    return home / ".docker/contexts/tls" / digest / "docker"


def write_config(home: Path, content: str) -> None:
    (home / ".docker").mkdir(exist_ok=True)
    (home / ".docker/config.json").write_text(content)


def test_the_default_sockets_are_tried_without_configuration(tmp_path: Path) -> None:
    assert urls(tmp_path) == default_urls(tmp_path)


def test_folders_that_the_environment_names_are_searched(tmp_path: Path) -> None:
    named = urls(tmp_path, XDG_RUNTIME_DIR="/run/mine", COLIMA_HOME="/colima")
    assert "unix:///run/mine/docker.sock" in named
    assert "unix:///run/mine/podman/podman.sock" in named
    assert "unix:///colima/default/docker.sock" in named


def test_macos_has_further_sockets(tmp_path: Path) -> None:
    machines = f"{tmp_path}/.local/share/containers/podman/machine"
    assert f"unix://{machines}/podman.sock" in urls(tmp_path, "darwin")


@pytest.mark.parametrize(
    ("host", "url", "local", "error"),
    [
        ("unix:///run/x.sock", "unix:///run/x.sock", True, False),
        ("/run/x.sock", "unix:///run/x.sock", True, False),
        ("tcp://127.0.0.1:2375", "tcp://127.0.0.1:2375", True, False),
        ("tcp://localhost:2375", "tcp://localhost:2375", True, False),
        ("tcp://[::1]:2375", "tcp://[::1]:2375", True, False),
        ("tcp://10.0.0.7:2376", "tcp://10.0.0.7:2376", False, False),
        ("ssh://me@there", "ssh://me@there", False, False),
        ("tcp://there:port", "tcp://there:port", False, True),
        ("nonsense", "nonsense", False, True),
    ],
)
def test_a_host_in_the_environment_is_the_only_one(
    tmp_path: Path, host: str, url: str, local: bool, error: bool
) -> None:
    write_context(tmp_path, "other", {"Host": "unix:///other.sock"})
    write_config(tmp_path, json.dumps({"currentContext": "other"}))
    (endpoint,) = found(tmp_path, DOCKER_HOST=host)
    assert (endpoint.url, endpoint.local, bool(endpoint.error)) == (url, local, error)
    assert endpoint.exclusive
    assert "DOCKER_HOST" in endpoint.origin


def test_certificates_belong_to_a_host_that_is_verified(tmp_path: Path) -> None:
    host = "tcp://127.0.0.1:2376"
    (plain,) = found(tmp_path, DOCKER_HOST=host)
    assert plain.tls is None
    (secured,) = found(
        tmp_path, DOCKER_HOST=host, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH="/certificates"
    )
    assert secured.tls is not None
    assert secured.tls.key == Path("/certificates/key.pem")
    (default_folder,) = found(tmp_path, DOCKER_HOST=host, DOCKER_TLS_VERIFY="1")
    assert default_folder.tls is not None
    assert default_folder.tls.folder == tmp_path / ".docker"


def test_the_current_context_comes_first_and_is_not_tried_twice(tmp_path: Path) -> None:
    write_context(tmp_path, "desktop-linux", {"Host": f"unix://{tmp_path}/.docker/run/docker.sock"})
    write_config(tmp_path, json.dumps({"currentContext": "desktop-linux"}))
    first, *others = found(tmp_path)
    assert first.url == f"unix://{tmp_path}/.docker/run/docker.sock"
    assert "desktop-linux" in first.origin
    assert not first.exclusive
    assert [each.url for each in others] == [
        url for url in default_urls(tmp_path) if url != first.url
    ]


def test_a_context_that_the_environment_names_is_the_only_one(tmp_path: Path) -> None:
    certificates = write_context(tmp_path, "far", {"Host": "tcp://far:2376", "SkipTLSVerify": True})
    certificates.mkdir(parents=True)
    (endpoint,) = found(tmp_path, DOCKER_CONTEXT="far")
    assert (endpoint.url, endpoint.local, endpoint.exclusive) == ("tcp://far:2376", False, True)
    assert endpoint.tls is not None
    assert (endpoint.tls.folder, endpoint.tls.verify) == (certificates, False)
    assert urls(tmp_path, DOCKER_CONTEXT="default") == default_urls(tmp_path)


def test_the_environment_may_name_the_docker_folder(tmp_path: Path) -> None:
    write_context(tmp_path, "here", {"Host": "unix:///here.sock"})
    elsewhere = found(
        Path("/nobody"), DOCKER_CONFIG=str(tmp_path / ".docker"), DOCKER_CONTEXT="here"
    )
    assert elsewhere[0].url == "unix:///here.sock"


@pytest.mark.parametrize(
    "config", ["", "no json", "[]", '{"currentContext": 7}', '{"currentContext": "default"}']
)
def test_an_unusable_configuration_changes_nothing(tmp_path: Path, config: str) -> None:
    write_config(tmp_path, config)
    assert urls(tmp_path) == default_urls(tmp_path)


@pytest.mark.parametrize("docker", [{}, {"Host": ""}, {"Host": 7}])
def test_a_context_without_an_engine_is_an_error(tmp_path: Path, docker: dict[str, Any]) -> None:
    write_context(tmp_path, "broken", docker)
    write_config(tmp_path, json.dumps({"currentContext": "broken"}))
    first, *others = found(tmp_path)
    assert "no context of that name" in first.error
    assert [each.url for each in others] == default_urls(tmp_path)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ssh://host", SshAddress("host")),
        ("ssh://me@host:2222", SshAddress("me@host", 2222)),
        ("ssh://me@host/run/podman.sock", SshAddress("me@host", None, "/run/podman.sock")),
        ("ssh://me:secret@host/", SshAddress("me@host")),
        ("ssh://", None),
        ("ssh://host:port", None),
        ("tcp://host:22", None),
        ("unix:///run/docker.sock", None),
    ],
)
def test_an_address_for_ssh_is_read(url: str, expected: SshAddress | None) -> None:
    assert DockerEndpoint(url, "the test").ssh == expected


@pytest.mark.parametrize(
    "host",
    [
        *("nonsense", "127.0.0.1:2375", "://", "\0", "fd://", "ftp://engine"),
        "npipe:////./pipe/docker_engine",
        *("unix://", "unix://relative.sock", "unix:///run/\0docker.sock"),
        *("tcp://", "tcp://[::1", "tcp://a b", "tcp://127.0.0.1:99999", "tcp://h:port"),
        *("tcp://\udcff", "tcp://en\u200bgine"),
        *("ssh://", "ssh://host:99999", "ssh://-oProxyCommand=x", "ssh://a b"),
    ],
)
def test_what_is_no_address_is_a_sentence(tmp_path: Path, host: str) -> None:
    (only,) = found(tmp_path, DOCKER_HOST=host)
    assert only.error == "It is not an address of a container engine."
    assert (only.ssh, only.address) == (None, None)
    with pytest.raises(EngineUnavailable, match="It is not an address of a container engine"):
        find_engine([only])


@pytest.mark.parametrize(
    "host",
    [
        *(
            "unix:///run/docker.sock",
            "tcp://127.0.0.1:2375",
            "tcp://[::1]:2375",
            "http://localhost",
        ),
        *("https://engine.example:2376", "ssh://me@host", "ssh://me@host:22/run/docker.sock"),
        *("ssh://my_host-1.example", "tcp://[fe80::1%eth0]:2375"),
    ],
)
def test_an_address_of_any_kind_is_tried(tmp_path: Path, host: str) -> None:
    assert [each.error for each in found(tmp_path, DOCKER_HOST=host)] == [""]


@pytest.mark.usefixtures("homeless")
def test_a_user_without_a_home_has_the_default_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    assert candidate_endpoints(HostEnvironment.current())


@pytest.mark.parametrize(
    ("url", "tls", "base_url"),
    [
        ("tcp://engine", True, "tcp://engine:2376"),
        ("tcp://engine", False, "tcp://engine:2375"),
        ("https://engine:1", True, "https://engine:1"),
        ("tcp://[::1]", True, "tcp://[::1]:2376"),
        ("unix:///run/docker.sock", False, "unix:///run/docker.sock"),
    ],
)
def test_a_port_that_is_not_named_is_the_usual_one(url: str, tls: bool, base_url: str) -> None:
    files = TlsFiles(Path("/certificates")) if tls else None
    assert DockerEndpoint(url, "the test", files).base_url == base_url
