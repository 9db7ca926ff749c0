"""What a person does with a stack by `curl`, and what its instances serve then."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker

from tests.support.sample_images import drawing, painting
from tests.support.waiting import block_until

STACK_SECONDS = 300.0
"""In which every part of a stack answers, on a busy machine too."""
LABELS = 12


class StackClient:
    """Talks to the API of a stack at `url`; `prefix` runs `curl` elsewhere, such as in a network.

    `folder` takes photos.
    """

    def __init__(self, url: str, token: str, folder: Path, prefix: tuple[str, ...] = ()) -> None:
        self.url = url
        self._token = token
        self._folder = folder
        self._prefix = prefix

    def curl(self, path: str, *arguments: str) -> tuple[int, Any]:
        """Return the status and the parsed body of an answer; status 0 if there was none.

        The body is None if it is no JSON.
        """
        done = subprocess.run(
            [
                *self._prefix,
                *("curl", "--silent", "--show-error", "--max-time", "60"),
                *("--write-out", "\n%{http_code}"),
                *("--header", f"Authorization: Bearer {self._token}"),
                *arguments,
                f"{self.url}{path}",
            ],
            capture_output=True,
            text=True,
        )
        body, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(body) if body[:1] in ("{", "[") else None

    def classify(self, jpeg: bytes) -> tuple[int, Any]:
        return self.curl("/classify", "--form", f"file=@{self._photo(jpeg)}")

    def label(self, jpeg: bytes, name: str) -> tuple[int, Any]:
        photo = self._photo(jpeg)
        return self.curl("/labels", "--form", f"file=@{photo}", "--form", f"class={name}")

    def labelled(self) -> int:
        """Return how many photos have labels."""
        status, summary = self.curl("/labels")
        assert status == 200, summary
        return int(summary["total"])

    def wait_until_it_classifies(self, details: Callable[[], str]) -> None:
        """Return once the API has an answer of an instance."""

        def answers() -> bool:
            status, answer = self.classify(painting("red", 1))
            return status == 200 and answer["scores"][0]["name"] == "red"

        block_until(answers, STACK_SECONDS, details=details)

    def teach(self, details: Callable[[], str]) -> int:
        """Label photos of a new class, train, and return the version that answers then."""
        for seed in range(LABELS):
            status, label = self.label(drawing("stripes", seed), "stripes")
            assert status == 201, label
        assert self.labelled() == LABELS

        def starts() -> bool:
            # The trainer may still be starting, or learn already by itself.
            return self.curl("/training", "--request", "POST")[0] in (200, 201, 202, 409)

        block_until(starts, STACK_SECONDS, details=details)
        probe = drawing("stripes", 100)
        found: list[int] = []

        def learned() -> bool:
            status, answer = self.classify(probe)
            assert status == 200, answer  # none fails meanwhile
            if answer["scores"][0]["name"] == "stripes":
                found.append(answer["version"])
            return bool(found)

        block_until(learned, STACK_SECONDS, details=details)
        return found[0]

    def _photo(self, jpeg: bytes) -> Path:
        path = self._folder / "photo.jpg"
        path.write_bytes(jpeg)
        return path


def available_versions(api: docker.APIClient, container: str, model: str) -> set[int]:
    """Return the versions of a model that the instance in a container has loaded.

    None while it starts.
    """
    request = f"GET /v1/models/{model} HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n"
    script = f"exec 3<>/dev/tcp/127.0.0.1/8501; printf '{request}' >&3; cat <&3"
    made = api.exec_create(container, ["bash", "-c", script])
    answer = bytes(api.exec_start(made["Id"])).decode()
    body = answer.partition("\r\n\r\n")[2]
    rows = json.loads(body)["model_version_status"] if body else ()
    return {int(row["version"]) for row in rows if row["state"] == "AVAILABLE"}
