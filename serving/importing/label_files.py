"""Names of classes from the files that other programs write, in the order of the outputs.

The order is what the file states: that of its lines, or the numbers that it gives. It is never
sorted by name.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from serving.class_names import MAX_CLASS_NAME, ClassNameError, checked_class_name
from serving.errors import ModelError, reading_error
from serving.models.builtin.imagenet import imagenet_classes

MAX_LABEL_BYTES = 2**26
"""A model may have a million classes."""
LABEL_FILES = ("labels.txt", "class_names.txt", "classes.txt", "labels.json", "class_names.json",
               "class_indices.json", "labels.csv", "classes.csv", "label_map.json")  # fmt: skip
"""Names under which label files lie beside a model."""

_NUMBERED = re.compile(r"\s*(\d{1,7})\s*[:,;\t ]\s*(\S.*)")
_WORDNET = re.compile(r"n\d{8}")
_NAME_COLUMNS = ("name", "label", "class", "class_name", "display_name", "label_name")
_NUMBER_COLUMNS = ("index", "id", "number", "class_id", "class_index", "label_id")


class UnusableLabels(ModelError):
    """A file of labels cannot be understood, or does not fit the model."""


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the names in a label file, for output 0 first; raises UnusableLabels.

    It may have one name a line (with or without numbers, "0 cat"), be CSV, or JSON: a list, a map
    from number to name or from name to number, ImageNet's index, or Lobe's `signature.json`.
    """
    try:
        if path.stat().st_size > MAX_LABEL_BYTES:
            raise _unusable(path, "it is larger than 64 MB")
        content = path.read_bytes()
    except OSError as error:
        advice = "Choose another file of labels."
        raise reading_error(error, f"The file {path}", advice, UnusableLabels) from error
    return parse_labels(content, path)


def parse_labels(content: bytes, path: Path) -> tuple[str, ...]:
    """Return the names in the content of a label file; `path` says its kind and names it."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _unusable(path, "it is not text in UTF-8") from None
    if path.suffix.lower() == ".json":
        names = _of_json(text, path)
    elif path.suffix.lower() in (".csv", ".tsv"):
        names = _of_table(text, path)
    else:
        names = _of_lines(text, path)
    if not names:
        raise _unusable(path, "it names no class")
    return distinct([_checked(name, path) for name in names])


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names, each that was there before (capitals aside) with a number added.

    ImageNet has two cranes, and what a photo shows is told apart by name.
    """
    result: list[str] = []
    taken: set[str] = set()
    for name in names:
        candidate, number = name, 2
        while candidate.casefold() in taken:
            candidate = f"{name} ({number})"
            number += 1
        taken.add(candidate.casefold())
        result.append(candidate)
    return tuple(result)


def imagenet_labels(count: int) -> tuple[str, ...] | None:
    """Return ImageNet's names for so many outputs; None if they cannot be ImageNet's.

    With 1,001 the first output is "background", as in TensorFlow's own models.
    """
    names = tuple(each.name for each in imagenet_classes())
    if count == len(names):
        return names
    return ("background", *names) if count == len(names) + 1 else None


def check_count(labels: Sequence[str], classes: int, source: str) -> None:
    """Raise UnusableLabels unless there is one label for each output."""
    if len(labels) != classes:
        raise UnusableLabels(
            f"The model gives {classes:,} {'score' if classes == 1 else 'scores'}, and {source} has"
            f" {len(labels):,} {'label' if len(labels) == 1 else 'labels'}.",
            "Give a file with one label for each score, in the order of the scores.",
        )


def _of_lines(text: str, path: Path) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = [_NUMBERED.fullmatch(line) for line in lines]
    numbered = {int(each[1]): each[2] for each in found if each}
    if len(numbered) == len(lines) and set(numbered) == set(range(len(lines))):
        return [numbered[number] for number in range(len(lines))]
    return [_without_wordnet_id(line) for line in lines]


def _of_table(text: str, path: Path) -> list[str]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(text)
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise _unusable(path, f"it is not CSV: {error}") from None
    if not rows:
        return []
    header = [cell.strip().casefold() for cell in rows[0]]
    name_at = next((header.index(name) for name in _NAME_COLUMNS if name in header), None)
    number_at = next((header.index(name) for name in _NUMBER_COLUMNS if name in header), None)
    if name_at is not None or number_at is not None:
        rows = rows[1:]
    if name_at is None:
        name_at = _name_column(rows, number_at)
    if number_at is None:
        number_at = _number_column(rows, name_at)
    if any(len(row) <= max(name_at, number_at or 0) for row in rows):
        raise _unusable(path, "some of its rows have fewer columns than others")
    if number_at is None:
        return [row[name_at] for row in rows]
    try:
        return _by_number({int(row[number_at]): row[name_at] for row in rows}, len(rows), path)
    except ValueError:
        raise _unusable(path, "a number of a class is not a whole number") from None


def _delimiter(text: str) -> str:
    first = text.split("\n", 1)[0]
    return max(",;\t", key=first.count)


def _name_column(rows: Sequence[Sequence[str]], number_at: int | None) -> int:
    """The last column of the first row that is no number: "0,n01440764,tench" names it last."""
    columns = [at for at, cell in enumerate(rows[0]) if at != number_at] if rows else []
    texts = [at for at in columns if not rows[0][at].strip().isdecimal()]
    return (texts or columns or [0])[-1]


def _number_column(rows: Sequence[Sequence[str]], name_at: int) -> int | None:
    """The column that numbers the rows from 0; None if there is none."""
    for at in range(min((len(row) for row in rows), default=0)):
        cells = [row[at].strip() for row in rows]
        are_numbers = all(cell.isdecimal() for cell in cells)
        if at != name_at and are_numbers and set(map(int, cells)) == set(range(len(rows))):
            return at
    return None


def _of_json(text: str, path: Path) -> list[str]:
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raise _unusable(path, "it is not JSON") from None
    if isinstance(raw, Mapping):
        for key in ("classes", "labels", "names", "class_names"):
            if isinstance(raw.get(key), (list, Mapping)):
                raw = raw[key]
                break
    if isinstance(raw, Mapping) and isinstance(raw.get("Label"), list):  # Lobe's
        raw = raw["Label"]
    if isinstance(raw, list):
        return [_name_of(entry, path) for entry in raw]
    if isinstance(raw, Mapping):
        if all(str(key).isdecimal() for key in raw):
            numbered = {int(key): _name_of(value, path) for key, value in raw.items()}
            return _by_number(numbered, len(raw), path)
        if all(type(value) is int for value in raw.values()):
            return _by_number({value: str(key) for key, value in raw.items()}, len(raw), path)
    raise _unusable(path, "it is neither a list of names nor a map between numbers and names")


def _name_of(entry: Any, path: Path) -> str:
    """Return the name in one entry: a text, ImageNet's ["n0144", "tench"], {"name": …}."""
    if isinstance(entry, str):
        return entry
    if isinstance(entry, list) and entry and all(isinstance(part, str) for part in entry):
        return str(entry[1] if len(entry) > 1 and _WORDNET.fullmatch(entry[0]) else entry[0])
    if isinstance(entry, Mapping):
        for key in _NAME_COLUMNS:
            if isinstance(entry.get(key), str):
                return str(entry[key])
    raise _unusable(path, "one of its entries is no name")


def _by_number(numbered: Mapping[int, str], count: int, path: Path) -> list[str]:
    first = min(numbered, default=0)
    if first not in (0, 1) or set(numbered) != set(range(first, first + count)):
        raise _unusable(path, "the numbers of its classes have gaps or come twice")
    return [numbered[number] for number in sorted(numbered)]


def _without_wordnet_id(line: str) -> str:
    first, _, rest = line.partition(" ")
    return rest.strip() if _WORDNET.fullmatch(first) and rest.strip() else line


def _checked(name: str, path: Path) -> str:
    if len(name) > MAX_CLASS_NAME and "," in name:  # ImageNet's "tench, Tinca tinca, …"
        name = name.split(",")[0]
    try:
        return checked_class_name(name)
    except ClassNameError as error:
        raise UnusableLabels(f"{path.name} cannot be used: {error.what}", error.advice) from error


def _unusable(path: Path, why: str) -> UnusableLabels:
    return UnusableLabels(
        f"The labels in {path} cannot be used: {why}.",
        "Give a text file with one name a line, CSV, or a JSON list.",
    )
