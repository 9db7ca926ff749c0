"""What `servery models import --inspect` prints."""

from __future__ import annotations

from dataclasses import replace

import pytest

from desktop.commands.models.bring_in import Found, show_found
from serving.importing.interface import (
    Channels,
    InputKind,
    Interface,
    ModelFormat,
    ModelInspection,
    OutputKind,
    Resize,
    ValueRange,
)

INTERFACE = Interface(
    signature="",
    takes=InputKind.FLOAT,
    height=96,
    width=96,
    value_range=ValueRange.UNIT,
    channels=Channels.RGB,
    resize=Resize.STRETCH,
    gives=OutputKind.LOGITS,
    classes=2,
    embedding_size=1280,
    guessed=("height", "width", "resize", "value_range", "gives"),
)
PETS = ModelInspection(ModelFormat.KERAS, INTERFACE, ("cat", "dog"), "labels.txt", name="pets")


def test_it_says_how_to_correct_what_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    show_found(Found(PETS, []), as_json=False)
    printed = capsys.readouterr()
    assert "0..1 (guessed)" in printed.out
    assert "an embedding of 1,280 numbers" in printed.out
    assert "correct it: --size, --resize, --value-range, --outputs." in printed.err
    known = replace(PETS, interface=replace(INTERFACE, guessed=()))
    show_found(Found(known, []), as_json=False)
    assert capsys.readouterr().err == ""


def test_labels_are_asked_for_only_if_they_would_help(capsys: pytest.CaptureFixture[str]) -> None:
    show_found(Found(replace(PETS, labels=None), []), as_json=False)
    assert "--labels" in capsys.readouterr().out
    unusable = replace(PETS, interface=None, labels=None, problems=("It takes texts.",))
    show_found(Found(unusable, []), as_json=False)
    printed = capsys.readouterr()
    assert "labels" not in printed.out
    assert printed.err == "It takes texts.\n"
