"""The program that decodes photos for the backend, which ends it if that takes too long.

`python -m backend.photos.decoder` has a socket as its standard input. On it come jobs, each a
JSON object with a file; each is answered with a JSON object, and a file if there is a new one.
It ends when the socket does, that is, with the backend. It knows neither NumPy nor TensorFlow.
"""

from __future__ import annotations

import contextlib
import io
import json
import mmap
import os
import resource
import signal
import socket
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import AvifImagePlugin, Image

from serving.image_file import DecodingDeclined, UnusableImage, takes_too_much_memory
from serving.normalize_image import normalize_image
from serving.process_exit import wait_for_exit
from serving.scaled_photo import scaled_photo
from serving.tf.free_memory import keep_little_free_memory, return_free_memory

MESSAGE_BYTES = 1 << 17
"""Of the JSON of a job, and of its result."""
_SLACK_BYTES = 24 * 2**20
"""What the libraries take beside what an image is known to cost."""
_LARGE_BYTES = 16 * 2**20
_PARENT_POLL_SECONDS = 1.0
_PAGE = resource.getpagesize()


@dataclass(frozen=True)
class DecodingJob:
    """What is to be done with one file."""

    allowance: int
    """Bytes of memory that decoding may take; for more, only how many it takes is answered."""
    cpu_seconds: int
    max_allowance: int
    """As many bytes as decoding one file may ever take."""
    place: tuple[int, int] | None = None
    """Where in the file the photo begins and ends; None if the file is the photo."""
    side: int | None = None
    """Make the shorter side this many pixels, instead of normalizing."""
    always_encode: bool = False
    """With `side`: make a new file of a photo that is no larger, too."""


@dataclass(frozen=True)
class Decoded:
    """What came of it; one of the first three is set, and a new file comes with `is_new`."""

    cost: int = 0
    """Bytes that decoding takes, more than the allowance."""
    fault: tuple[str, str, str] | None = None
    """An ImageFault, what happened and what to do."""
    unchanged: tuple[int, int] | None = None
    """The photo is normalized already: where in the file it begins and ends."""
    is_new: bool = False


class _TooExpensive(DecodingDeclined):
    def __init__(self, cost: int) -> None:
        self.cost = cost


def main() -> int:
    """Answer jobs until the backend ends."""
    for number in (signal.SIGINT, signal.SIGTERM):  # of a terminal: the backend decides
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if len(sys.argv) > 1:
        os.nice(int(sys.argv[1]))
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    keep_little_free_memory()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    Image.init()
    with socket.socket(fileno=0) as backend, contextlib.suppress(ConnectionError):
        while True:
            data, files, _, _ = socket.recv_fds(backend, MESSAGE_BYTES, 1)
            if not data:
                break
            result, content = _answer(DecodingJob(**json.loads(data)), files[0])
            _limit_memory(None)
            _send(backend, result, content)
            if len(content or b"") > _LARGE_BYTES:
                content = None
                return_free_memory()
    return 0


def _end_with(parent: int) -> None:
    """End soon after the backend, also in the middle of a photo; its socket ends it otherwise."""
    wait_for_exit(parent)
    while os.getppid() == parent:
        time.sleep(_PARENT_POLL_SECONDS)
    os._exit(1)


def _send(backend: socket.socket, result: Decoded, content: bytes | None) -> None:
    message = json.dumps(asdict(result), ensure_ascii=False).encode()
    if content is None:
        backend.sendall(message)
        return
    file = os.memfd_create("photo")
    try:
        _write(file, content)
        socket.send_fds(backend, [message], [file])
    finally:
        os.close(file)


def _answer(job: DecodingJob, file: int) -> tuple[Decoded, bytes | None]:
    _limit_cpu(job.cpu_seconds)
    try:
        begin, end = job.place or (0, os.fstat(file).st_size)
        if begin == end:
            data = b""
        else:
            with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as body:
                data = body[begin:end]
        return _decode(job, data, (begin, end))
    finally:
        os.close(file)


def _decode(job: DecodingJob, data: bytes, place: tuple[int, int]) -> tuple[Decoded, bytes | None]:
    def check_cost(cost: int) -> None:
        if cost > job.allowance:
            raise _TooExpensive(cost)
        _limit_memory(cost)

    # Until its header is read: some decoders ask for an image's memory when they are made, but
    # do not use it yet.
    _limit_memory(job.max_allowance)
    try:
        if job.side is not None:
            made = scaled_photo(data, job.side, check_cost, always_encode=job.always_encode)
        else:
            made = normalize_image(data, check_cost)
    except _TooExpensive as error:
        return Decoded(cost=error.cost), None
    except UnusableImage as error:
        return _unusable(error), None
    except MemoryError:
        return _unusable(takes_too_much_memory()), None
    if made is data:
        return Decoded(unchanged=place), None
    return Decoded(is_new=True), made


def _unusable(error: UnusableImage) -> Decoded:
    return Decoded(fault=(error.fault, error.what, error.advice))


def _limit_memory(more: int | None) -> None:
    """Let the process have `more` bytes of data than now, and some for the libraries."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_DATA)
    if more is None:
        resource.setrlimit(resource.RLIMIT_DATA, (hard_limit, hard_limit))
        return
    # Its sixth field is data and stack, proc(5): a little more than what RLIMIT_DATA counts.
    data = int(Path("/proc/self/statm").read_bytes().split()[5]) * _PAGE
    limit = data + more + _SLACK_BYTES
    resource.setrlimit(
        resource.RLIMIT_DATA,
        (limit if hard_limit == resource.RLIM_INFINITY else min(limit, hard_limit), hard_limit),
    )


def _limit_cpu(seconds: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard_limit = resource.getrlimit(resource.RLIMIT_CPU)
    # RLIMIT_CPU counts from the start of the process, in whole seconds.
    limit = int(used.ru_utime + used.ru_stime) + seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, hard_limit))


def _write(file: int, content: bytes) -> None:
    with io.FileIO(file, "wb", closefd=False) as out:
        rest = memoryview(content)
        while rest:
            rest = rest[out.write(rest) :]


if __name__ == "__main__":
    sys.exit(main())
