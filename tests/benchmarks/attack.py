"""One way to hurt a server with little, and what it is sent to."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Target:
    """A real model server and a real backend, on loopback."""

    rest: tuple[str, int]
    """Host and port of the model server's REST API."""
    grpc: str
    """`host:port` of its gRPC API."""
    backend: tuple[str, int]
    """Host and port of the backend, which lets in programs of the same user."""
    model: str
    """Served, takes whole JPEG files: `serving_default` with the input `images`."""
    photo: bytes
    """A JPEG file that the model answers."""


@dataclass(frozen=True)
class Attack:
    """What is sent, in a few words, and the function that sends it.

    `send` runs in a process of its own. It blocks, may raise anything, and is ended where it
    takes too long: whether it is answered or refused does not matter, only what it costs others.
    """

    name: str
    at: Literal["model server", "backend"]
    send: Callable[[Target], object]


def together(send: Callable[[Target], str], count: int) -> Callable[[Target], str]:
    """Return a function that sends the same `count` times at once, and counts the answers."""

    def send_all(target: Target) -> str:
        answers: Counter[str] = Counter()

        def send_one() -> None:
            try:
                answers[send(target)] += 1
            except OSError as error:
                answers[type(error).__name__] += 1

        threads = [threading.Thread(target=send_one, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return ", ".join(f"{number} {answer}" for answer, number in sorted(answers.items()))

    return send_all


def made_once(make: Callable[[], bytes]) -> Callable[[], bytes]:
    """Make the content when it is asked for first, and return the same from then on.

    Callers in several threads share it.
    """
    lock, made = threading.Lock(), list[bytes]()

    def content() -> bytes:
        with lock:
            if not made:
                made.append(make())
        return made[0]

    return content
