"""What is said of a model whose live version cannot be served, in the window and in the shell."""

from __future__ import annotations

from backend.contract import ModelSummary, VersionSummary
from desktop.service_sentences import translated
from desktop.translation import tr


def live_fault(model: ModelSummary) -> VersionSummary | None:
    """Return the live version of a model if it cannot be served."""
    live = (each for each in model.versions if each.number == model.live_version)
    return next((each for each in live if each.fault), None)


def fault_sentences(model: ModelSummary) -> str:
    """Say why the live version cannot be served, what answers, and what to do; empty if it can."""
    version = live_fault(model)
    if version is None:
        return ""
    instead = model.fallback_version
    answers = (
        tr("Version {version} answers in its place.", version=instead)
        if instead is not None
        else ""
    )
    return " ".join(
        filter(None, (translated(version.fault), answers, translated(version.fault_advice)))
    )
