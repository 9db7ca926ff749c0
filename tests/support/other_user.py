"""Requests that another user of the machine sends, from a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

NOBODY = 65534
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")

# Everything is imported before the user changes: then Python's files may be out of reach.
_PROGRAM = """
import encodings.idna, http.client, json, os, sys
host, port, user, calls = json.load(sys.stdin)
os.setgroups([]); os.setgid(user); os.setuid(user)
answers = []
for method, path, headers, body in calls:
    connection = http.client.HTTPConnection(host, port, timeout=60)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body.encode())
    with connection.getresponse() as response:
        stream = "event-stream" in response.headers.get("Content-Type", "")
        text = "" if stream else response.read().decode(errors="replace")
        answers.append((response.status, response.headers.get_all("WWW-Authenticate") or [], text))
    connection.close()
json.dump(answers, sys.stdout)
"""


@dataclass(frozen=True)
class Call:
    """One request."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass(frozen=True)
class Answer:
    status: int
    challenges: list[str]
    text: str


def call_as(user: int, host: str, port: int, calls: Sequence[Call]) -> list[Answer]:
    """Send requests as a user, each on a connection of its own; returns the answers in order."""
    sent = [(each.method, each.path, each.headers, each.body) for each in calls]
    done = subprocess.run(
        [sys.executable, "-I", "-c", _PROGRAM],
        input=json.dumps((host, port, user, sent)),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return [Answer(*each) for each in json.loads(done.stdout)]
