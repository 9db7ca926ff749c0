"""What came of a training run, in the sentences that its record keeps."""

from __future__ import annotations

from backend.contract import TrainingRun
from backend.training.fine_tuning.fine_tuner import gain_sentence
from backend.training.gate import Verdict
from backend.training.worker_protocol import TrainingResult


def decision_text(run: TrainingRun, verdict: Verdict) -> str:
    """Return what was decided about the version of a run, and what fine-tuning gained."""
    step = verdict.because or f"Version {run.version} is live."
    if run.networks is not None:
        step += f" Its network was fine-tuned: {gain_sentence(run.networks)}."
    return step


def excluded_text(result: TrainingResult) -> str:
    """Return which photos and files were not learned from, after a space; empty for none."""
    step = ""
    if result.unreadable_images:
        count = f"{result.unreadable_images:,}"
        step += f" Photos that could not be read any more: {count}; the report says which."
    if result.skipped:
        step += f" Files skipped: {result.skipped:,}; the report says why."
    return step
