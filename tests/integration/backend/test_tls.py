"""A backend that encrypts: who gets an answer, and what a bad certificate is told."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse

from backend.client import BackendClient
from backend.client.transport import BackendTransport
from backend.run_file import BackendRunFile
from serving.errors import BackendError
from serving.http.limits import HttpLimits
from serving.models.repository import ModelRepository
from serving.tls_certificate import CertificateError, CertificateFiles
from serving.workspace import Workspace
from tests.support.certificates import Authority, unavailable_reason
from tests.support.http_server import serving
from tests.support.requirements import missing
from tests.support.tiny_model import install_tiny

Start = Callable[..., AbstractContextManager[subprocess.Popen[str]]]
LIMITS = HttpLimits(connections=8, head_seconds=60.0)
APP = PlainTextResponse("hello")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    if reason := unavailable_reason():
        missing(reason)
    folder = Authority(tmp_path_factory.mktemp("tls") / "authority").issue("here", "127.0.0.1")
    return CertificateFiles(folder / "cert.pem", folder / "key.pem")


def trusting(files: CertificateFiles) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=files.certificate.with_name("ca.pem"))


async def test_a_client_that_trusts_the_authority_is_answered(files: CertificateFiles) -> None:
    async with serving(APP, LIMITS, files.context()) as port:
        async with httpx.AsyncClient(verify=trusting(files)) as client:
            assert (await client.get(f"https://127.0.0.1:{port}/")).text == "hello"
        async with httpx.AsyncClient() as stranger:
            with pytest.raises(httpx.ConnectError):
                await stranger.get(f"https://127.0.0.1:{port}/")
            with pytest.raises(httpx.HTTPError):
                await stranger.get(f"http://127.0.0.1:{port}/")
        async with httpx.AsyncClient(verify=trusting(files)) as client:
            assert (await client.get(f"https://127.0.0.1:{port}/")).text == "hello"


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n"])
async def test_handshakes_that_do_not_go_on_keep_nobody_out(
    files: CertificateFiles, sent: bytes
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        port = await stack.enter_async_context(serving(APP, LIMITS, files.context()))
        for _ in range(3 * LIMITS.connections):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            writer.write(sent)
        client = await stack.enter_async_context(
            httpx.AsyncClient(verify=trusting(files), timeout=60)
        )
        for _ in range(3):
            assert (await client.get(f"https://127.0.0.1:{port}/")).text == "hello"


async def test_at_loopback_the_owner_is_known_in_place_of_the_certificate(
    files: CertificateFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(APP, LIMITS, files.context()) as port:
        url = f"https://127.0.0.1:{port}"
        async with httpx.AsyncClient(transport=BackendTransport()) as client:
            assert (await client.get(url)).text == "hello"
        async with BackendClient(url) as backend:
            for owner in (None, 12345):
                monkeypatch.setattr(
                    "backend.client.connection.owner_of_listener", lambda *_, owner=owner: owner
                )
                with pytest.raises(BackendError, match="another user"):
                    await backend.health()


async def test_elsewhere_the_certificate_is_checked() -> None:
    transport = BackendTransport()
    checked: Any = transport._for(httpx.URL("https://192.0.2.7:8080"))
    assert checked._pool._ssl_context.verify_mode is ssl.CERT_REQUIRED
    assert checked._pool._ssl_context.check_hostname
    await transport.aclose()


def test_what_is_wrong_with_the_files_is_a_sentence(
    files: CertificateFiles, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other").issue("there", "127.0.0.1")
    garbage = tmp_path / "garbage.pem"
    garbage.write_bytes(bytes(range(256)))
    locked = tmp_path / "locked.pem"
    subprocess.run(
        ["openssl", "pkey", "-in", files.key, "-aes256", "-passout", "pass:x", "-out", locked],
        check=True,
        capture_output=True,
    )
    cases = {
        "There is no file": (tmp_path / "none.pem", files.key),
        "There is no file .*locked.pem.none": (files.certificate, tmp_path / "locked.pem.none"),
        "is not that of the certificate": (files.certificate, other / "key.pem"),
        "cannot be read": (garbage, files.key),
        "with the key .* cannot be read": (files.certificate, garbage),
        "is encrypted with a password": (files.certificate, locked),
    }
    for sentence, (certificate, key) in cases.items():
        with pytest.raises(CertificateError, match=sentence):
            CertificateFiles(certificate, key).context()


async def test_the_programs_of_the_person_find_a_backend_that_encrypts(
    workspace: Workspace, start: Start, files: CertificateFiles
) -> None:
    install_tiny(ModelRepository(workspace.models))
    options = ["--tls-certificate", str(files.certificate), "--tls-key", str(files.key)]
    with start(workspace, *options):
        running = BackendRunFile.read(workspace)
        assert running is not None
        assert running.url.startswith("https://")
        client = await BackendClient.find(workspace)
        assert client is not None
        async with client:
            assert len(await client.models()) == 1
