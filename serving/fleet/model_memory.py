"""How much memory a model takes in an instance, by what instances use before and after loading."""

from __future__ import annotations

import statistics
from dataclasses import replace

from serving.fleet.view import FleetView
from serving.models.repository import ModelRepository

BUSY_REQUESTS_PER_SECOND = 1.0


def remember_memory(
    repository: ModelRepository, name: str, before: FleetView, after: FleetView
) -> None:
    """Store by how much loading `name` made the ready instances grow, each of them on average.

    Nothing is stored if they are not the same ones, or did not grow. Requests take memory
    too: what was measured beside them counts only as long as nothing better is known. Raises
    ModelError if the disk refuses it.
    """
    used_before, used_after = _memory(before), _memory(after)
    if not used_before or used_before.keys() != used_after.keys():
        return
    growth = round(statistics.mean(used_after[each] - used_before[each] for each in used_after))
    is_busy = any(
        each.requests_per_second >= BUSY_REQUESTS_PER_SECOND
        for each in (*before.answering, *after.answering)
    )
    if growth <= 0 or (is_busy and repository.settings(name).memory_bytes is not None):
        return
    repository.change_settings(name, lambda settings: replace(settings, memory_bytes=growth))


def _memory(view: FleetView) -> dict[str, int]:
    """Return the bytes that each ready instance uses, as far as they are known."""
    return {
        each.instance.id: each.stats.memory_bytes
        for each in view.answering
        if each.stats is not None
    }
