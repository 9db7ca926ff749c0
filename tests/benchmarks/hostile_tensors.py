"""Requests that try to cost a model server far more than their bytes, as data.

Each `send` returns how the server answered: a gRPC code, an HTTP status, or several, counted.
"""

from __future__ import annotations

import base64
import gzip
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress

import grpc
from PIL import Image

from serving.tf.messages import types_pb2
from tests.benchmarks.attack import Attack, Target, made_once, together
from tests.benchmarks.raw_requests import call, field, post, post_chunks, predict, tensor
from tests.support.hostile_images import encoded, grey_png
from tests.support.jpeg_bytes import declared_jpeg

MEGABYTE = 1_000_000
_HUGE = 1 << 28
_DTYPES = types_pb2.DataType
_PIECE = 1 << 16


def _predicts(images: Callable[[], bytes], more: bytes = b"") -> Callable[[Target], str]:
    return lambda target: call(target, "Predict", predict(target.model, images(), more))


def _calls(method: str, body: Callable[[], bytes]) -> Callable[[Target], str]:
    """A call whose second field, the input, is `body`."""

    def send(target: Target) -> str:
        return call(target, method, field(1, field(1, target.model.encode())) + body())

    return send


def _posts(body: Callable[[], bytes], headers: str = "") -> Callable[[Target], str]:
    body_once = made_once(body)

    def send(target: Target) -> str:
        content = body_once()
        return post(target, [content], headers, len(content))

    return send


def _gzip_of(size: int, times: int = 1) -> bytes:
    data = b" " * size
    for _ in range(times):
        data = gzip.compress(data, 9)
    return data


def _gif(side: int) -> bytes:
    data = bytearray(encoded(Image.new("P", (16, 16)), "GIF"))
    data[6:10] = side.to_bytes(2, "little") * 2
    return bytes(data)


def _bmp(side: int) -> bytes:
    data = bytearray(encoded(Image.new("RGB", (16, 16)), "BMP"))
    data[18:26] = side.to_bytes(4, "little") * 2
    return bytes(data)


def _images(image: Callable[[], bytes], count: int = 1) -> Callable[[Target], str]:
    """Ask for the same image `count` times in one request."""
    return _predicts(
        lambda: tensor(_DTYPES.DT_STRING, [count], field(8, image()) * count),
    )


def _small_jpeg() -> bytes:
    return encoded(Image.new("RGB", (8, 8)), "JPEG", quality=1)


def _photo_request(target: Target, size: int) -> bytes:
    return predict(target.model, tensor(_DTYPES.DT_STRING, [1], field(8, bytes(size))))


def _instances(values: bytes) -> bytes:
    return b'{"instances":' + values + b"}"


def _json_list(value: bytes, size: int) -> bytes:
    """A list of the value again and again, `size` bytes long at most."""
    return b"[" + b",".join([value] * (size // (len(value) + 1))) + b"]"


def _declares_a_terabyte(target: Target) -> str:
    return post(target, [b"{"], length=10**12)


def _never_ends(target: Target) -> str:
    piece = b" " * _PIECE
    return post(target, (piece for _ in range(1000 * MEGABYTE // _PIECE)))


def _byte_by_byte(target: Target) -> str:
    # One call of `sendall` for many chunks: the sender is not to be the slower one.
    def chunks() -> Iterator[bytes]:
        many = b"1\r\n \r\n" * 10_000
        yield from (many for _ in range(300))
        yield b"0\r\n\r\n"

    # Already chunked, so sent as it is.
    return post_chunks(target, chunks())


def _megabytes_of_headers(target: Target) -> str:
    return post(target, [], "".join(f"X-{n}: {'x' * 1000}\r\n" for n in range(50_000)), 0)


def _long_model_names(target: Target) -> str:
    answers: Counter[str] = Counter()
    for number in range(100):
        name = f"{number}".ljust(MEGABYTE, "x")
        answers[call(target, "Predict", field(1, field(1, name.encode())))] += 1
    return ", ".join(f"{count} {answer}" for answer, count in answers.items())


def _unfinished_messages(target: Target) -> str:
    """Posts of 60 MB each that are sent but for the last byte, all at once."""
    connections = []
    try:
        for _ in range(20):
            connection = socket.create_connection(target.rest, timeout=2)
            connections.append(connection)
            head = f"POST /v1/models/{target.model}:predict HTTP/1.1\r\nHost: x\r\n"
            with suppress(OSError):
                connection.sendall(f"{head}Content-Length: {60 * MEGABYTE}\r\n\r\n".encode())
                connection.sendall(b" " * (60 * MEGABYTE - 1))
        return f"{len(connections)} sent"
    finally:
        for connection in connections:
            connection.close()


def _compressed(target: Target) -> str:
    data = predict(target.model, tensor(_DTYPES.DT_STRING, [1], field(8, bytes(400 * MEGABYTE))))
    return call(target, "Predict", data, grpc.Compression.Gzip)


_T = _DTYPES


def _nested(depth: int) -> bytes:
    """A `TensorProto` field whose variant has a tensor with a variant, and so on."""
    data = b""
    for _ in range(depth):
        data = field(15, field(3, data))
    return data


def _example(size: int) -> bytes:
    """A `tf.Example` with one feature, whose name is that long."""
    return field(1, field(1, field(1, b"x" * size) + field(2, b"")))


def _attack(name: str, send: Callable[[Target], str]) -> Attack:
    return Attack(name, "model server", send)


ATTACKS: tuple[Attack, ...] = (
    _attack(
        "gRPC: one byte declared as 2^28 strings",
        _predicts(lambda: tensor(_T.DT_STRING, [_HUGE], field(8, b"x"))),
    ),
    _attack(
        "gRPC: one float declared as 2^28",
        _predicts(lambda: tensor(_T.DT_FLOAT, [_HUGE], field(5, bytes(4)))),
    ),
    _attack(
        "gRPC: no value at all declared as 2^28 int64",
        _predicts(lambda: tensor(_T.DT_INT64, [1 << 14, 1 << 14], b"")),
    ),
    _attack(
        "gRPC: 86 kB declared as 2^28 strings",
        _predicts(lambda: tensor(_T.DT_STRING, [_HUGE], field(8, b"x" * 10) * 7000)),
    ),
    _attack(
        "gRPC: a few bytes of content declared as 2^28 strings",
        _predicts(lambda: tensor(_T.DT_STRING, [_HUGE], field(4, bytes(8)))),
    ),
    _attack(
        "gRPC: 80 MB of content that is 8*10^7 empty strings",
        _predicts(lambda: tensor(_T.DT_STRING, [80 * MEGABYTE], field(4, bytes(80 * MEGABYTE)))),
    ),
    _attack(
        "gRPC: 80 MB that are 4*10^7 empty strings",
        _predicts(lambda: tensor(_T.DT_STRING, [40 * MEGABYTE], b"\x42\0" * (40 * MEGABYTE))),
    ),
    _attack(
        "gRPC: 80 MB of packed int64, a byte each",
        _predicts(lambda: tensor(_T.DT_INT64, [80 * MEGABYTE], field(10, bytes(80 * MEGABYTE)))),
    ),
    _attack(
        "gRPC: 80 MB of packed bool",
        _predicts(lambda: tensor(_T.DT_BOOL, [80 * MEGABYTE], field(11, bytes(80 * MEGABYTE)))),
    ),
    _attack(
        "gRPC: a shape of 4*10^7 dimensions",
        _predicts(lambda: b"\x08\x07" + field(2, b"\x12\0" * (40 * MEGABYTE))),
    ),
    _attack(
        "gRPC: a shape of negative and overflowing dimensions",
        _predicts(lambda: tensor(_T.DT_STRING, [-1, -(1 << 62), 1 << 62, 4], field(8, b"x"))),
    ),
    _attack(
        "gRPC: a shape of 0 times 2^62",
        _predicts(lambda: tensor(_T.DT_STRING, [0, 1 << 62, 1 << 62], b"")),
    ),
    _attack(
        "gRPC: 4*10^7 inputs of the same name",
        _predicts(lambda: b"\x08\x07", b"\x12\0" * (40 * MEGABYTE)),
    ),
    _attack(
        "gRPC: 10^6 inputs of different names",
        _predicts(
            lambda: b"\x08\x07",
            b"".join(field(2, field(1, b"%d" % n)) for n in range(MEGABYTE)),
        ),
    ),
    _attack(
        "gRPC: an output filter of 10^6 names",
        _predicts(lambda: b"\x08\x07", b"".join(field(3, b"%d" % n) for n in range(MEGABYTE))),
    ),
    _attack(
        "gRPC: variants nested 10,000 deep",
        _predicts(lambda: b"\x08\x15" + _nested(10_000)),
    ),
    _attack("gRPC: 100 model names of 1 MB", _long_model_names),
    _attack(
        "gRPC: 80 MB of empty tf.Examples",
        _calls("Classify", lambda: field(2, field(1, b"\x0a\0" * (40 * MEGABYTE)))),
    ),
    _attack(
        "gRPC: 500,000 tf.Examples with a context of 1 kB each",
        _calls(
            "Regress",
            lambda: field(2, field(2, b"\x0a\0" * 500_000 + field(2, _example(1000)))),
        ),
    ),
    _attack(
        "gRPC: MultiInference of 10^7 tasks",
        _calls("MultiInference", lambda: b"\x0a\0" * (10 * MEGABYTE)),
    ),
    _attack("gRPC: 400 MB compressed", _compressed),
    _attack(
        "gRPC: a message of 1,000 MB",
        lambda target: call(target, "Predict", _photo_request(target, 1000 * MEGABYTE)),
    ),
    _attack(
        "gRPC: 40 messages of 30 MB at once",
        together(lambda target: call(target, "Predict", _photo_request(target, 30 * MEGABYTE)), 40),
    ),
    _attack(
        "gRPC: 200 messages that declare 2^20 strings at once",
        together(_predicts(lambda: tensor(_T.DT_STRING, [1 << 20], field(8, b"x"))), 200),
    ),
    _attack(
        "gRPC: 20,000 photos in one request",
        _images(_small_jpeg, 20_000),
    ),
    _attack(
        "gRPC: a JPEG that declares 65,500 x 65,500",
        _images(lambda: declared_jpeg(65_500, 65_500)),
    ),
    _attack(
        "gRPC: a progressive JPEG that declares 65,500 x 65,500",
        _images(lambda: declared_jpeg(65_500, 65_500, progressive=True)),
    ),
    _attack(
        "gRPC: 32 JPEGs that declare 65,500 x 2,000",
        _images(lambda: declared_jpeg(65_500, 2_000), 32),
    ),
    _attack(
        "gRPC: 16 progressive JPEGs that declare 8,000 x 8,000",
        _images(lambda: declared_jpeg(8_000, 8_000, progressive=True), 16),
    ),
    _attack(
        "gRPC: a progressive JPEG of 20,000 scans",
        _images(lambda: declared_jpeg(4_000, 4_000, progressive=True, scans=20_000)),
    ),
    _attack("gRPC: a PNG of 20,000 x 20,000", _images(lambda: grey_png(20_000, 20_000))),
    _attack("gRPC: a GIF that declares 65,500 x 65,500", _images(lambda: _gif(65_500))),
    _attack("gRPC: a BMP that declares 65,500 x 65,500", _images(lambda: _bmp(65_500))),
    _attack("REST: 99 MB of [[],[],...]", _posts(lambda: _json_list(b"[]", 99 * MEGABYTE))),
    _attack("REST: 80 MB of [[],[],...]", _posts(lambda: _json_list(b"[]", 80 * MEGABYTE))),
    _attack(
        "REST: 10^7 empty objects", _posts(lambda: _instances(_json_list(b"{}", 30 * MEGABYTE)))
    ),
    _attack(
        "REST: 60 MB of numbers", _posts(lambda: _instances(_json_list(b"1.5", 60 * MEGABYTE)))
    ),
    _attack("REST: 60 MB of strings", _posts(lambda: _instances(_json_list(b'""', 60 * MEGABYTE)))),
    _attack(
        "REST: 10^6 different keys",
        _posts(lambda: b"{" + b",".join(b'"%d":0' % n for n in range(MEGABYTE)) + b"}"),
    ),
    _attack(
        "REST: the same key 5*10^6 times",
        _posts(lambda: b"{" + b",".join([b'"instances":[]'] * (5 * MEGABYTE)) + b"}"),
    ),
    _attack(
        "REST: a number of 50 million digits",
        _posts(lambda: _instances(b"[" + b"1" * (50 * MEGABYTE) + b"]")),
    ),
    _attack(
        "REST: a fraction of 50 million digits",
        _posts(lambda: _instances(b"[0." + b"1" * (50 * MEGABYTE) + b"]")),
    ),
    _attack(
        "REST: lists nested 10^7 deep",
        _posts(lambda: _instances(b"[" * (10 * MEGABYTE) + b"]" * (10 * MEGABYTE))),
    ),
    _attack(
        "REST: 60 MB of text with one emoji",
        _posts(lambda: _instances(b'["' + b"x" * (60 * MEGABYTE) + "\U0001f600".encode() + b'"]')),
    ),
    _attack(
        "REST: 60 MB of text with one escaped emoji",
        _posts(lambda: _instances(b'["' + b"x" * (60 * MEGABYTE) + rb"\ud83d\ude00" + b'"]')),
    ),
    _attack(
        "REST: 60 MB of base64",
        _posts(lambda: _instances(b'[{"b64":"' + base64.b64encode(bytes(45 * MEGABYTE)) + b'"}]')),
    ),
    _attack(
        "REST: 1,000 MB compressed to 1 MB",
        _posts(lambda: _gzip_of(1000 * MEGABYTE), "Content-Encoding: gzip\r\n"),
    ),
    _attack(
        "REST: compressed twice",
        _posts(lambda: _gzip_of(1000 * MEGABYTE, 2), "Content-Encoding: gzip, gzip\r\n"),
    ),
    _attack("REST: a body that declares a terabyte", _declares_a_terabyte),
    _attack("REST: a gigabyte in chunks", _never_ends),
    _attack("REST: three million chunks of one byte", _byte_by_byte),
    _attack("REST: 50 MB of headers", _megabytes_of_headers),
    _attack("REST: 20 bodies of 60 MB that do not end", _unfinished_messages),
    _attack(
        "REST: 30 bodies of 30 MB of numbers at once",
        together(_posts(lambda: _instances(_json_list(b"1.5", 30 * MEGABYTE))), 30),
    ),
    _attack(
        "REST: 20 compressed bodies of 100 MB at once",
        together(_posts(lambda: _gzip_of(80 * MEGABYTE), "Content-Encoding: gzip\r\n"), 20),
    ),
)
