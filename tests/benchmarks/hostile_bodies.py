"""Bodies that try to cost a backend more than their bytes: images, forms, JSON, archives."""

from __future__ import annotations

import io
import json
import socket
import zipfile
from collections.abc import Callable, Iterable
from contextlib import suppress

from PIL import Image, PngImagePlugin

from tests.benchmarks.attack import Attack, Target, made_once, together
from tests.benchmarks.raw_requests import send_request
from tests.support.hostile_images import encoded, grey_png
from tests.support.jpeg_bytes import declared_jpeg

_MEGABYTE = 1_000_000
_BOUNDARY = "hostile"
_FORM = f"Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\n"
_JSON = "Content-Type: application/json\r\n"
_Body = Callable[[], bytes]


def _post(
    target: Target, path: str, pieces: Iterable[bytes], length: int, headers: str = ""
) -> str:
    """Post a body as far as it is taken; returns the status."""
    head = f"POST {path} HTTP/1.1\r\nHost: {target.backend[0]}:{target.backend[1]}\r\n{headers}"
    return send_request(target.backend, f"{head}Content-Length: {length}\r\n\r\n", pieces)


def _form(content: bytes, name: str = "file", more: bytes = b"") -> bytes:
    part = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="a"\r\n\r\n'
    return part.encode() + content + b"\r\n" + more + f"--{_BOUNDARY}--\r\n".encode()


def _upload(image: _Body, path: str = "/classify", more: _Body = bytes) -> Callable[[Target], str]:
    body_once = made_once(lambda: _form(image(), more=more()))

    def send(target: Target) -> str:
        body = body_once()
        return _post(target, path, [body], len(body), _FORM)

    return send


def _sends(path: str, body: _Body, headers: str) -> Callable[[Target], str]:
    def send(target: Target) -> str:
        content = body()
        return _post(target, path, [content], len(content), headers)

    return send


def _png_with_texts() -> bytes:
    texts = PngImagePlugin.PngInfo()
    for number in range(200):
        texts.add_text(f"k{number}", "x" * _MEGABYTE, zip=True)
    return encoded(Image.new("RGB", (8, 8)), "PNG", pnginfo=texts)


def _png_with_profile() -> bytes:
    return encoded(Image.new("RGB", (8, 8)), "PNG", icc_profile=bytes(200 * _MEGABYTE))


def _gif(frames: int) -> bytes:
    pictures = [Image.new("P", (1000, 1000), color % 256) for color in range(frames)]
    return encoded(pictures[0], "GIF", save_all=True, append_images=pictures[1:])


def _tiff(side: int) -> bytes:
    return encoded(Image.new("1", (side, side)), "TIFF", compression="group4")


def _webp(side: int) -> bytes:
    return encoded(Image.new("RGB", (side, side)), "WEBP", lossless=True, quality=100, method=0)


def _avif(side: int) -> bytes:
    return encoded(Image.new("RGB", (side, side)), "AVIF", quality=1, speed=10)


def _bmp(side: int) -> bytes:
    data = bytearray(encoded(Image.new("RGB", (16, 16)), "BMP"))
    data[18:26] = side.to_bytes(4, "little") * 2
    return bytes(data)


def _noise_jpeg(side: int) -> bytes:
    return encoded(Image.effect_noise((side, side), 90).convert("RGB"), "JPEG", quality=95)


def _many_parts() -> bytes:
    part = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="class"\r\n\r\nx\r\n'
    return part.encode() * 400_000 + f"--{_BOUNDARY}--\r\n".encode()


def _long_part_head() -> bytes:
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="'
    return head.encode() + b"x" * (40 * _MEGABYTE) + f'"\r\n\r\nx\r\n--{_BOUNDARY}--\r\n'.encode()


def _long_class() -> bytes:
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="class"\r\n\r\n'
    return head.encode() + b"x" * (40 * _MEGABYTE) + b"\r\n"


def _nested_json() -> bytes:
    return b'{"model":' + b"[" * (5 * _MEGABYTE) + b"]" * (5 * _MEGABYTE) + b"}"


def _json_of_keys() -> bytes:
    return json.dumps({f"k{number}": [] for number in range(_MEGABYTE)}).encode()


def _zip_bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for number in range(20):
            archive.writestr(f"c/{number}.jpg", bytes(100 * _MEGABYTE))
    return out.getvalue()


def _zip_of_entries() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(90_000):
            archive.writestr(f"c/{number}.jpg", b"")
    return out.getvalue()


def _unfinished(target: Target) -> str:
    """Forms of 30 MB that are sent but for their last bytes, and left."""
    connections = []
    for _ in range(60):
        with suppress(OSError):
            connection = socket.create_connection(target.backend, timeout=3)
            connections.append(connection)
            head = f"POST /classify HTTP/1.1\r\nHost: x\r\n{_FORM}"
            connection.sendall(f"{head}Content-Length: {30 * _MEGABYTE}\r\n\r\n".encode())
            connection.sendall(_form(bytes(29 * _MEGABYTE))[: 29 * _MEGABYTE])
    for connection in connections:
        connection.close()
    return f"{len(connections)} sent"


def _many_ranges(target: Target) -> str:
    ranges = ",".join(f"{number}-{number}" for number in range(5000))
    return _post(target, "/page.js", [], 0, f"Range: bytes={ranges}\r\n")


def _import(archive: _Body) -> Callable[[Target], str]:
    return lambda target: _upload(archive, f"/models/{target.model}/import")(target)


def _attack(name: str, send: Callable[[Target], object]) -> Attack:
    return Attack(name, "backend", send)


ATTACKS: tuple[Attack, ...] = (
    _attack("40 uploads of 30 MB at once", together(_upload(lambda: bytes(30 * _MEGABYTE)), 40)),
    _attack("40 photos of 2,500 x 2,500 at once", together(_upload(lambda: _noise_jpeg(2500)), 40)),
    _attack("a WebP of 16,000 x 16,000", _upload(lambda: _webp(16_000))),
    _attack("20 WebP of 9,000 x 9,000 at once", together(_upload(lambda: _webp(9_000)), 20)),
    _attack("a PNG of 30,000 x 30,000", _upload(lambda: grey_png(30_000, 30_000))),
    _attack(
        "10 PNG of 9,000 x 9,000 at once", together(_upload(lambda: grey_png(9_000, 9_000)), 10)
    ),
    _attack("a PNG one pixel high, 10^8 wide", _upload(lambda: grey_png(10**8, 1))),
    _attack("a PNG with 200 MB of texts", _upload(_png_with_texts)),
    _attack("a PNG with a profile of 200 MB", _upload(_png_with_profile)),
    _attack("a GIF of 500 frames", _upload(lambda: _gif(500))),
    _attack("a TIFF of 30,000 x 30,000", _upload(lambda: _tiff(30_000))),
    _attack("an AVIF of 8,000 x 8,000", _upload(lambda: _avif(8_000))),
    _attack("a BMP that declares 60,000 x 60,000", _upload(lambda: _bmp(60_000))),
    _attack("a JPEG that declares 65,500 x 65,500", _upload(lambda: declared_jpeg(65_500, 65_500))),
    _attack(
        "a progressive JPEG of 20,000 scans",
        _upload(lambda: declared_jpeg(4_000, 4_000, progressive=True, scans=20_000)),
    ),
    _attack("a label of 40 MB", _upload(lambda: b"x", "/labels", _long_class)),
    _attack("400,000 parts of a form", _sends("/labels", _many_parts, _FORM)),
    _attack("a file name of 40 MB", _sends("/classify", _long_part_head, _FORM)),
    _attack("JSON nested 5 million deep", _sends("/training", _nested_json, _JSON)),
    _attack("JSON of a million keys", _sends("/training", _json_of_keys, _JSON)),
    _attack("60 MB as JSON", _sends("/models", lambda: b'"' + b"x" * 60 * _MEGABYTE + b'"', _JSON)),
    _attack("a zip file of 2 GB of zeros", _import(_zip_bomb)),
    _attack("a zip file of 90,000 files", _import(_zip_of_entries)),
    _attack("60 forms of 30 MB that do not end", _unfinished),
    _attack("5,000 ranges", _many_ranges),
)
