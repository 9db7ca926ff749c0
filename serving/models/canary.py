"""A version that answers a share of a model's requests while people find out whether it is good.

    <root>/<model>/canary.json     Canary
    <root>/<model>/canary.jsonl    a line for each request that both versions answered

Everything about a canary is in these two files, so that every program that classifies goes by
the same rule, and a backend that was killed carries on where it stopped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from serving.json_decode import decode
from serving.models.repository_files import file_state, is_file, subfolders
from serving.state_files import DamagedFile, UnreadableFile, read_object

CANARY_NAME = "canary.json"
SAMPLES_NAME = "canary.jsonl"
STABLE_LABEL, CANARY_LABEL = "stable", "canary"
"""The labels that TensorFlow Serving's documentation gives to the two versions."""
MAX_SAMPLES_BYTES = 4 * 2**20
"""Of the answers that are kept; some 15,000. Later ones are not compared any more."""
DEFAULT_SHARE = 0.1
DEFAULT_SECONDS = 24 * 3600.0
"""How long a canary goes on at most."""


class CanaryPhase(StrEnum):
    LOADING = "loading"
    """Instances load the version; all requests go to the stable one."""
    RUNNING = "running"
    """Its share of the requests goes to the version."""
    ENDING = "ending"
    """It was decided; all requests go to `answers` until the instances have unloaded the rest."""


@dataclass(frozen=True)
class CanaryVerdict:
    """How a canary ends; kept until it was carried out and noted, by any program."""

    promoted: bool
    rule: str
    because: str
    """For people, as a sentence."""
    by: str


@dataclass(frozen=True)
class Canary:
    """What goes on with the canary of one model."""

    version: int
    stable: int
    """The version that was live when it began."""
    share: float
    """Of the requests that name no version, above 0 and below 1."""
    started: str
    """UTC, ISO 8601."""
    by: str = ""
    """Who started it."""
    seconds: float = DEFAULT_SECONDS
    """How long it goes on at most, while a backend runs."""
    elapsed: float = 0.0
    """For how many of them backends have watched it."""
    phase: CanaryPhase = CanaryPhase.LOADING
    answers: int = 0
    """While it ends, the version that answers."""
    verdict: CanaryVerdict | None = None
    """Why it ends; None if something else did that: a promotion, or a fault."""

    @property
    def pinned(self) -> int:
        """The version that answers requests outside the share."""
        return self.answers if self.phase is CanaryPhase.ENDING else self.stable

    def ending(self, answers: int) -> Canary:
        """The same once it was decided which version answers."""
        return replace(self, phase=CanaryPhase.ENDING, answers=answers)

    def to_json(self) -> str:
        return json.dumps({"schema": 1, **asdict(self)}, indent=2) + "\n"

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Canary:
        """Return what the parsed text of `to_json` says; raises ValueError for anything else."""
        canary = decode(cls, raw)
        if not 0 < canary.share < 1 or canary.version == canary.stable:
            raise ValueError("it gives no share of the requests to another version")
        return canary


def read_canary(path: Path) -> Canary | None:
    """Return what a `canary.json` says, None without the file.

    Raises DamagedFile, and UnreadableFile.
    """
    raw = read_object(path)
    try:
        return None if raw is None else Canary.of(raw)
    except ValueError as error:
        raise DamagedFile(path, f"it does not describe a canary: {error}") from None


class Failure(StrEnum):
    """Which of two versions did not answer a request that the other one answered."""

    NONE = ""
    STABLE = "stable"
    CANARY = "canary"


@dataclass(frozen=True)
class CanarySample:
    """One request of the share, as both versions answered it."""

    versions: tuple[int, ...]
    """The stable version and the canary."""
    image: str
    """SHA-256 of the normalized JPEG, in hex."""
    answers: tuple[str, ...]
    """Their best classes; empty for one that did not answer."""
    milliseconds: tuple[float, ...]
    """How long each took."""
    failed: Failure = Failure.NONE


class CanarySource(Protocol):
    """Where a client of the instances finds out about canaries, and says how they answered."""

    def of(self, model: str) -> Canary | None:
        """Return the canary of a model, if it has one; quick enough to ask for every request."""
        ...

    def record(self, model: str, sample: CanarySample) -> None:
        """Write down how both versions answered a request; never raises. Writes a file."""
        ...


class CanaryFiles:
    """The canaries of a model repository; remembers what each file said last."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._root_text = str(root)
        self._last: dict[str, tuple[tuple[int, int, int], Canary | None]] = {}

    def path(self, model: str) -> Path:
        return self._root / model / CANARY_NAME

    def samples_path(self, model: str) -> Path:
        return self._root / model / SAMPLES_NAME

    def models(self) -> list[str]:
        """Return the models that have a canary, sorted."""
        folders = (folder for folder in subfolders(self._root) if not folder.name.startswith("."))
        return [folder.name for folder in folders if is_file(folder / CANARY_NAME)]

    def of(self, model: str) -> Canary | None:
        """Return the canary of a model, if it has one; quick enough to ask for every request.

        A damaged file is none: the live version answers then.
        """
        # To join paths takes several times as long as to look at the file.
        state = file_state(f"{self._root_text}/{model}/{CANARY_NAME}")
        if state is None:
            self._last.pop(model, None)
            return None
        known = self._last.get(model)
        if known is None or known[0] != state:
            try:
                known = state, read_canary(self.path(model))
            except UnreadableFile:
                known = state, None
            self._last[model] = known
        return known[1]

    def record(self, model: str, sample: CanarySample) -> None:
        """Write down how both versions answered a request.

        A sample that cannot be written is lost, and costs no request: there are others.
        """
        line = json.dumps(asdict(sample), ensure_ascii=False) + "\n"
        try:
            # One write to the end of a file: lines of several programs do not mix.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            descriptor = os.open(self.samples_path(model), flags, 0o600)
            try:
                if os.fstat(descriptor).st_size < MAX_SAMPLES_BYTES:
                    os.write(descriptor, line.encode())
            finally:
                os.close(descriptor)
        except OSError:
            return

    def samples(self, model: str, canary: Canary, start: int = 0) -> tuple[list[CanarySample], int]:
        """Return what was written down about a canary after `start` bytes, and where to go on.

        What is damaged, or about another canary, is left out. Raises OSError.
        """
        try:
            with self.samples_path(model).open("rb") as file:
                file.seek(start)
                content = file.read(MAX_SAMPLES_BYTES + 2**16)
        except FileNotFoundError:
            return [], 0
        # What follows the last end of a line is still being written.
        whole = content[: content.rfind(b"\n") + 1]
        found = (_sample(line) for line in whole.splitlines())
        versions = (canary.stable, canary.version)
        samples = [each for each in found if each is not None and each.versions == versions]
        return samples, start + len(whole)


def _sample(line: bytes) -> CanarySample | None:
    try:
        sample = decode(CanarySample, json.loads(line))
    except (ValueError, RecursionError):
        return None
    return sample if len(sample.answers) == len(sample.milliseconds) == 2 else None
