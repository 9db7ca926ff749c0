from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from serving.engines.docker import discovery
from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.discovery import EngineInfo, find_engine, negotiate
from serving.engines.docker.endpoints import DockerEndpoint
from serving.engines.docker.errors import EngineUnavailable
from serving.errors import EngineError
from tests.support.docker.fake_docker_api import DOCKER_ANSWERS, FakeDockerApi


def endpoint(path: Path, origin: str = "of the test") -> DockerEndpoint:
    return DockerEndpoint(f"unix://{path}", origin)


def why(*candidates: DockerEndpoint) -> EngineUnavailable:
    with pytest.raises(EngineUnavailable) as caught:
        find_engine(candidates)
    return caught.value


@pytest.mark.parametrize(
    ("theirs", "least", "spoken"),
    [
        ("1.41", "1.12", "1.41"),
        ("1.52", "1.44", "1.45"),
        ("1.52", "1.46", "1.46"),
        ("1.9", "1.9", "1.9"),
        ("", "", "1.24"),
    ],
)
def test_the_newest_common_version_of_the_api_is_used(theirs: str, least: str, spoken: str) -> None:
    assert negotiate({"ApiVersion": theirs, "MinAPIVersion": least}) == spoken


def test_engine_info_is_read() -> None:
    version = {
        "Version": "4.3.1",
        "Arch": "amd64",
        "Os": "linux",
        "Components": [{"Name": "Podman Engine", "Version": "4.3.1"}],
    }
    info = {
        "NCPU": 8,
        "SecurityOptions": ["name=seccomp,profile=default", "name=rootless"],
        "Runtimes": {"runc": {}, "nvidia": {}},
    }
    facts = EngineInfo.read(version, info, "1.41")
    assert facts.name == "Podman 4.3.1"
    assert (facts.cores, facts.rootless, facts.init) == (8, True, False)
    assert facts.runtimes == ("nvidia", "runc")


def test_the_first_engine_that_answers_is_used(tmp_path: Path) -> None:
    with (
        FakeDockerApi(tmp_path / "a", {"/version": 500}) as broken,
        FakeDockerApi(tmp_path / "b", DOCKER_ANSWERS) as first,
        FakeDockerApi(tmp_path / "c", DOCKER_ANSWERS) as second,
    ):
        found = find_engine([broken.endpoint, first.endpoint, second.endpoint])
        assert found.endpoint is first.endpoint
        assert found.info.name == "Docker Engine 27.1.0"
        assert (found.info.architecture, found.info.api_version) == ("arm64", "1.45")
        assert "/v1.45/info" in first.requests
        found.client.close()


def _json(body: bytes, length: int | None = None, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length:"
    return f"{head} {len(body) if length is None else length}\r\n\r\n".encode() + body


NO_ENGINES = {
    "null": _json(b"null"),
    "a list": _json(b"[]"),
    "a number": _json(b"7"),
    "words": _json(b'"engine"'),
    "an empty object": _json(b"{}"),
    "odd versions": _json(b'{"ApiVersion": ["1.41"]}'),
    "deep": _json(b"[" * 100_000),
    "no text": _json(b"\xff\xfe"),
    "a page": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html></html>",
    "nothing": _json(b""),
    "half": _json(b'{"ApiVersion": "1.4', 400),
    "half a head": b"HTTP/1.1 20",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a closed connection": b"",
    "null with 401": _json(b"null", status="401 Unauthorized"),
}
OBJECTS = {"an empty object", "odd versions"}
"""An engine need not say anything about itself in `/info`."""


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        *(("/version", answer) for answer in NO_ENGINES.values()),
        *(("/info", answer) for name, answer in NO_ENGINES.items() if name not in OBJECTS),
    ],
)
def test_what_answers_as_no_engine_does_is_a_sentence(
    tmp_path: Path, path: str, answer: bytes
) -> None:
    answers = {**DOCKER_ANSWERS, path: answer}
    with FakeDockerApi(tmp_path / "s", answers) as other:
        error = why(other.endpoint)
    assert "(of the test): What answers is not a container engine: it " in error.what


@pytest.mark.parametrize("name", ["null", "a list", "words", "a number"])
async def test_an_engine_that_answers_otherwise_later_is_a_sentence(
    tmp_path: Path, name: str
) -> None:
    answers = dict(DOCKER_ANSWERS)
    with FakeDockerApi(tmp_path / "s", answers) as engine:
        connection = EngineConnection([engine.endpoint])
        await connection.run("say its name", lambda found: found.info)
        answers["/info"] = NO_ENGINES[name]
        with pytest.raises(EngineError, match="answers as no container engine does"):
            await connection.run("count its cores", lambda found: found.client.info()["NCPU"] + 1)
        await connection.close()


def test_the_error_has_the_reason_of_each_candidate(tmp_path: Path) -> None:
    deaf = tmp_path / "deaf"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(deaf))
    with FakeDockerApi(tmp_path / "other", {"/version": 404}) as other:
        error = why(
            endpoint(tmp_path / "none"),
            endpoint(deaf, "the default socket of Docker"),
            other.endpoint,
            DockerEndpoint("tcp://there:2375", "the context far"),
            DockerEndpoint("", "the context gone", error="Docker keeps no such context."),
        )
    assert error.what.startswith("No container engine answers on this machine.")
    assert f"unix://{deaf} (the default socket of Docker): Nobody listens there" in error.what
    assert "What answers is not a container engine" in error.what
    assert "tcp://there:2375 (the context far): It is on another machine" in error.what
    assert "DOCKER_HOST=ssh://USER@HOST" in error.what
    assert "Docker keeps no such context." in error.what
    assert f"Nothing is there at {tmp_path / 'none'}." in error.advice


@pytest.mark.skipif(os.geteuid() == 0, reason="root may use every socket")
def test_a_socket_without_permission_is_reported_as_one(tmp_path: Path) -> None:
    with FakeDockerApi(tmp_path / "s", DOCKER_ANSWERS) as engine:
        (tmp_path / "s").chmod(0)
        assert "may not use it" in why(engine.endpoint).what


def test_silent_engines_time_out_concurrently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_three = threading.Barrier(3, timeout=60)
    connect = discovery._connect

    def connect_beside_the_others(endpoint: DockerEndpoint) -> discovery.FoundEngine:
        all_three.wait()
        return connect(endpoint)

    monkeypatch.setattr(discovery, "_connect", connect_beside_the_others)
    silent = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    try:
        for number, each in enumerate(silent):
            each.bind(str(tmp_path / str(number)))
            each.listen(16)
        error = why(*(endpoint(tmp_path / str(number)) for number in range(3)))
        assert error.what.count("does not answer within 2 s") == 3
    finally:
        for each in silent:
            each.close()


async def test_the_first_engine_stays_selected_while_it_is_away(tmp_path: Path) -> None:
    chosen = endpoint(tmp_path / "chosen")
    with FakeDockerApi(tmp_path / "other", DOCKER_ANSWERS) as other:
        connection = EngineConnection([chosen, other.endpoint])
        with FakeDockerApi(tmp_path / "chosen", DOCKER_ANSWERS):
            name = await connection.run("say its name", lambda found: found.endpoint.url)
            assert name == chosen.url
        (tmp_path / "chosen").unlink()
        with pytest.raises(
            EngineUnavailable, match=r"27\.1\.0 at .*chosen does not answer any more"
        ):
            await connection.run("say its name", lambda found: found.client.info())
        with FakeDockerApi(tmp_path / "chosen", DOCKER_ANSWERS):
            info = await connection.run("say its name", lambda found: found.client.info())
            assert info["NCPU"] == 4
        await connection.close()
