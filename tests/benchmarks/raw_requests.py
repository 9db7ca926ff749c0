"""Requests to a model server, written byte by byte.

The classes of protobuf, and an HTTP client, would cost the sender as much as the server.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress

import grpc

from serving.tf import tensors
from tests.benchmarks.attack import Target

_TIMEOUT_SECONDS = 120.0
_IMAGES = b"images"


def varint(value: int) -> bytes:
    """A number as protobuf writes it, a negative one in ten bytes."""
    return tensors.varint(value & ((1 << 64) - 1))


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(dtype: int, shape: Iterable[int], values: bytes) -> bytes:
    """A `TensorProto` of this shape; `values` are fields, serialized."""
    dimensions = b"".join(field(2, b"\x08" + varint(size)) for size in shape)
    return b"\x08" + varint(dtype) + field(2, dimensions) + values


def predict(model: str, images: bytes, more: bytes = b"") -> bytes:
    """A `PredictRequest` with one input."""
    inputs = field(1, _IMAGES) + field(2, images)
    return field(1, field(1, model.encode())) + field(2, inputs) + more


def call(
    target: Target, method: str, data: bytes, compression: grpc.Compression | None = None
) -> str:
    options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(target.grpc, options) as channel:
        send = channel.unary_unary(f"/tensorflow.serving.PredictionService/{method}")
        try:
            send(data, timeout=_TIMEOUT_SECONDS, compression=compression)
        except grpc.RpcError as error:
            return str(error.code().name)
    return "OK"


def post(
    target: Target,
    pieces: Iterable[bytes],
    headers: str = "",
    length: int | None = None,
    path: str | None = None,
) -> str:
    """Post a body; without `length` in chunks. Returns the status."""
    kind = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    path = path or f"/v1/models/{target.model}:predict"
    head = f"POST {path} HTTP/1.1\r\nHost: {target.rest[0]}\r\n{kind}\r\n{headers}\r\n"
    return send_request(target.rest, head, pieces if length is not None else _in_chunks(pieces))


def post_chunks(target: Target, pieces: Iterable[bytes]) -> str:
    """Post a body whose pieces are chunks already, or parts of them."""
    head = f"POST /v1/models/{target.model}:predict HTTP/1.1\r\nHost: {target.rest[0]}\r\n"
    return send_request(target.rest, f"{head}Transfer-Encoding: chunked\r\n\r\n", pieces)


def send_request(address: tuple[str, int], head: str, pieces: Iterable[bytes]) -> str:
    """Send a request as far as it is taken; returns the status."""
    with socket.create_connection(address, timeout=_TIMEOUT_SECONDS) as connection:
        # A server may answer and close before it has read everything.
        with suppress(ConnectionError):
            connection.sendall(head.encode())
            for piece in pieces:
                connection.sendall(piece)
        with suppress(OSError):
            status = connection.recv(64).split()
            return status[1].decode() if len(status) > 1 else "closed"
    return "closed"


def _in_chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"
