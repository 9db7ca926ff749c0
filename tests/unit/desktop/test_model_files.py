"""What is said of exports."""

from __future__ import annotations

from dataclasses import replace

from backend.contract import ModelFileJob, RunState
from desktop.model_files import export_sentence
from serving.exporting.formats import ExportFormat

DONE = ModelFileJob(
    "1", RunState.SUCCEEDED, "pets", 2, "/a/pets", photos=12, largest_difference=2e-8, bytes=1000
)


def test_an_export_says_how_far_its_scores_are_from_the_versions() -> None:
    said = export_sentence(DONE, ExportFormat.ONNX)
    assert said.endswith("differ from the version's by at most 2e-08 on 12 photos.")
    same = export_sentence(replace(DONE, largest_difference=0.0), ExportFormat.SAVED_MODEL)
    assert same.endswith("Its scores of 12 photos are the version's.")
    unchecked = export_sentence(replace(DONE, photos=0), ExportFormat.SAVED_MODEL)
    assert unchecked == "Version 2 of pets is in /a/pets, 1.0 kB."
