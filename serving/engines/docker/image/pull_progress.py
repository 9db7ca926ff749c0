"""The progress of a pull or a push: one figure that never falls, from messages about layers."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.units import format_bytes, format_duration

DOWNLOAD_SHARE = 0.8
"""Of the whole work of a layer; unpacking is the rest."""
RATE_SECONDS = 5.0
"""The window that the rate is measured over."""

_PUSHED_AS = {
    "Preparing": "Pulling fs layer",
    "Pushing": "Downloading",
    "Pushed": "Pull complete",
    "Layer already exists": "Already exists",
    "Mounted from": "Already exists",
}
"""What a layer's state while it is pushed amounts to while it is pulled."""
_WAITING = ("Pulling fs layer", "Waiting")
_LOADED = ("Verifying Checksum", "Download complete")
_DONE = ("Pull complete", "Already exists")


@dataclass
class _Layer:
    total: int = 0
    """Bytes; 0 until the registry has sent it."""
    loaded: int = 0
    unpacked: float = 0.0
    """Share of 1."""
    done: bool = False

    @property
    def share(self) -> float:
        if self.done:
            return 1.0
        loaded = self.loaded / self.total if self.total else 0.0
        return DOWNLOAD_SHARE * loaded + (1 - DOWNLOAD_SHARE) * self.unpacked


class PullProgress:
    """Adds up the engine's messages; a layer of unknown size counts as an average one."""

    def __init__(self, last_step: str = "unpacking") -> None:
        """`last_step` is what is done with the bytes once all of them have arrived."""
        self._last_step = last_step
        self._layers: dict[str, _Layer] = {}
        self._samples: deque[tuple[float, int]] = deque()
        self._furthest = 0.0
        self._retrying = ""

    def update(self, message: Mapping[str, Any], now: float) -> None:
        """Add one message, received at `now` in seconds by any clock."""
        name, status = str(message.get("id") or ""), str(message.get("status") or "")
        self._retrying = status if status.startswith("Retrying") else ""
        known = name in self._layers
        if not known and not status.startswith((*_WAITING, *_DONE, "Downloading")):
            return
        layer = self._layers.setdefault(name, _Layer())
        detail = message.get("progressDetail") or {}
        current, total = int(detail.get("current") or 0), int(detail.get("total") or 0)
        if status == "Downloading":
            layer.total = max(total, layer.total)
            layer.loaded = current
        elif status == "Extracting":
            layer.loaded = layer.total = layer.total or total
            layer.unpacked = current / total if total else layer.unpacked
        elif status in _LOADED:
            layer.loaded = layer.total
        elif status in _DONE:
            layer.loaded, layer.done = layer.total, True
        self._samples.append((now, self.loaded))
        while now - self._samples[0][0] > RATE_SECONDS:
            self._samples.popleft()

    @property
    def loaded(self) -> int:
        """Bytes received so far."""
        return sum(layer.loaded for layer in self._layers.values())

    @property
    def total(self) -> int:
        """Bytes in all; 0 while that is not known, since then the sum would be too small."""
        layers = [layer for layer in self._layers.values() if layer.total or not layer.done]
        return sum(layer.total for layer in layers) if all(each.total for each in layers) else 0

    @property
    def share(self) -> float:
        """The part that is done, from 0 to 1; never less than before."""
        sizes = [layer.total for layer in self._layers.values() if layer.total]
        average = sum(sizes) / len(sizes) if sizes else 1
        weights = [(layer.total or average, layer) for layer in self._layers.values()]
        whole = sum(weight for weight, _ in weights)
        done = sum(weight * layer.share for weight, layer in weights)
        self._furthest = max(self._furthest, done / whole if whole else 0.0)
        return self._furthest

    def text(self, now: float) -> str:
        """Return bytes, rate and time left in words."""
        loaded, total = self.loaded, self.total
        if self._retrying:
            return f"{format_bytes(loaded)}; the connection broke. {self._retrying}."
        if total and loaded >= total:
            return f"{format_bytes(total)}, {self._last_step}"
        parts = [
            f"{format_bytes(loaded)} of {format_bytes(total)}" if total else format_bytes(loaded)
        ]
        if rate := self._rate(now):
            parts.append(f"{format_bytes(rate)}/s")
            if total:
                parts.append(f"{format_duration((total - loaded) / rate)} left")
        return ", ".join(parts)

    def _rate(self, now: float) -> float:
        if not self._samples:
            return 0.0
        began, before = self._samples[0]
        return max(0, self.loaded - before) / (now - began) if now - began >= 0.5 else 0.0


def as_pulled(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a message about a push as PullProgress reads those about pulls."""
    status = str(message.get("status") or "")
    found = next((pulled for pushed, pulled in _PUSHED_AS.items() if status.startswith(pushed)), "")
    return {**message, "status": found or status}
