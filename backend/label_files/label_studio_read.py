"""Reads what Label Studio exports: its JSON and JSON-MIN, with choices for images."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from backend.contract import LabelKind, SkippedFile
from backend.label_files.found import FoundLabel, FoundLabels, LabelFileError, Row, read_text
from serving.errors import ServeryError
from serving.image_file import IMAGE_SUFFIXES

_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts before the name of an uploaded file."""
_ABOUT_TASKS = frozenset(
    (
        *("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"),
        *("agreement", "sha256", "none_choice"),
    )
)
"""Fields of JSON-MIN that no labelling interface has, and ours."""
_SEVERAL = "It has several classes, and a label names one"


def read_label_studio(path: Path, photos: Path, by: str, control: str = "") -> FoundLabels:
    """Read an export of Label Studio whose photos lie in the folder `photos`.

    `control` is the name of the choices, if there are several. What names nobody is said by `by`.
    Raises LabelFileError if there are none; a task that cannot be used costs itself.
    """
    try:
        tasks = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise LabelFileError(
            f"{path.name} is not JSON: {error}.", "Export it from Label Studio again."
        ) from error
    tasks = [tasks] if isinstance(tasks, dict) else tasks
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise LabelFileError(
            f"{path.name} is no list of tasks.", "Export it from Label Studio as JSON or JSON-MIN."
        )
    chosen = _only_control(tasks, control, path)
    reading = FoundLabels()
    for number, task in enumerate(tasks, 1):
        name = f"task {task.get('id', number)}"
        data = task["data"] if _is_full(task) else task
        image = _image(data, chosen)
        if image is None:
            reading.skipped.append(SkippedFile(name, "It names no image."))
            continue
        for row_by in _annotations(task, data, chosen):
            try:
                row = row_by(by)
                found = FoundLabel(image, _places(image, photos), row.statement())
            except ServeryError as error:
                reading.skipped.append(SkippedFile(f"{name}: {image}", error.what))
            else:
                reading.labels.append(found)
    if not all(map(_is_own, tasks)):
        # The newest label of a photo counts, and Label Studio may list annotations newest first.
        reading.labels.sort(key=lambda label: label.said.created)
    return reading


def _is_full(task: Mapping[str, Any]) -> bool:
    """Whether it is a task of JSON rather than of JSON-MIN."""
    return isinstance(task.get("data"), dict)


def _is_own(task: Mapping[str, Any]) -> bool:
    """Whether it is as Servery wrote it, in the order in which labels were given."""
    return _is_full(task) and all("servery" in each for each in _list(task, "annotations"))


def _only_control(tasks: list[dict[str, Any]], control: str, path: Path) -> str:
    """Return the name of the choices that say what photos show; raises LabelFileError."""
    names = sorted({name for task in tasks for name in _controls(task)})
    if control and control not in names:
        listed = ", ".join(names) or "none"
        raise LabelFileError(
            f"{path.name} has no choices called {control}; it has: {listed}.",
            "Name one of them with `--control`.",
        )
    if len(names) > 1 and not control:
        raise LabelFileError(
            f"{path.name} has several choices for each photo: {', '.join(names)}.",
            "Say with `--control` which of them says what a photo shows.",
        )
    return control or next(iter(names), "")


def _controls(task: Mapping[str, Any]) -> Iterator[str]:
    if _is_full(task):
        for annotation in _list(task, "annotations") or _list(task, "completions"):
            for result in _list(annotation, "result"):
                if result.get("type") == "choices":
                    yield str(result.get("from_name", ""))
        return
    image = _image(task, "")
    for name, value in task.items():
        is_choice = isinstance(value, str) or (isinstance(value, dict) and "choices" in value)
        if is_choice and name not in _ABOUT_TASKS and value != image:
            yield name


def _annotations(
    task: Mapping[str, Any], data: Mapping[str, Any], control: str
) -> Iterator[Callable[[str], Row]]:
    """Yield, for each annotation of a task, the function that returns its row.

    The function takes the author to name if the annotation names none, and raises LabelFileError:
    it is called later, so that one unusable annotation does not end the iteration.
    """
    if not _is_full(task):
        if control in task:
            yield partial(_minimal_row, task, control)
        return
    for annotation in _list(task, "annotations") or _list(task, "completions"):
        yield partial(_row, annotation, data, control)


def _row(annotation: Mapping[str, Any], data: Mapping[str, Any], control: str, by: str) -> Row:
    own = annotation.get("servery")
    own = own if isinstance(own, dict) else {}
    kind, class_name = LabelKind.SKIP, ""
    if not annotation.get("was_cancelled"):
        class_name = _choice(
            [
                choice
                for result in _list(annotation, "result")
                if result.get("type") == "choices" and result.get("from_name", "") == control
                for choice in _choices(result.get("value"))
            ]
        )
        is_none = class_name == data.get("none_choice")
        kind = LabelKind.NONE if is_none else LabelKind.CLASS
    return Row(
        class_name="" if kind is LabelKind.NONE else class_name,
        kind=kind,
        by=str(own["by"]) if "by" in own else _person(annotation.get("completed_by")) or by,
        created=str(annotation.get("created_at") or ""),
        settles="true" if own.get("settles") is True else "false",
        held_out=_flag(own.get("held_out", data.get("held_out"))),
    )


def _minimal_row(task: Mapping[str, Any], control: str, by: str) -> Row:
    class_name = _choice(_choices(task[control]))
    is_none = class_name == task.get("none_choice")
    return Row(
        class_name="" if is_none else class_name,
        kind=LabelKind.NONE if is_none else LabelKind.CLASS,
        by=_person(task.get("annotator")) or by,
        created=str(task.get("created_at") or ""),
        held_out=_flag(task.get("held_out")),
    )


def _choices(value: object) -> list[str]:
    if isinstance(value, dict):
        value = value.get("choices")
    if isinstance(value, str):
        return [value]
    return [str(each) for each in value] if isinstance(value, list) else []


def _choice(choices: list[str]) -> str:
    """Return the one choice of a photo; raises LabelFileError."""
    distinct = list(dict.fromkeys(choices))
    if len(distinct) != 1:
        what = f"{_SEVERAL}: {', '.join(distinct)}." if distinct else "Nothing is chosen."
        raise LabelFileError(what, "Choose one class for it.")
    return distinct[0]


def _person(annotator: object) -> str:
    """Return who annotated: an address, a name, or a number of Label Studio."""
    if isinstance(annotator, dict):
        name = f"{annotator.get('first_name') or ''} {annotator.get('last_name') or ''}".strip()
        return str(annotator.get("email") or name or _person(annotator.get("id")))
    if isinstance(annotator, int) and not isinstance(annotator, bool):
        return f"Label Studio user {annotator}"
    return annotator.strip() if isinstance(annotator, str) else ""


def _flag(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else ""


def _list(of: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = of.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _image(data: Mapping[str, Any], control: str) -> str | None:
    """Return the address of a task's image: its field `image`, or the one that looks like one."""
    if isinstance(data.get("image"), str) and control != "image":
        return str(data["image"])
    texts = [value for name, value in data.items() if isinstance(value, str) and name != control]
    images = [text for text in texts if Path(urlsplit(text).path).suffix.lower() in IMAGE_SUFFIXES]
    local = [text for text in texts if "/local-files/?d=" in text]
    return next(iter((*images, *local)), None)


def _places(image: str, photos: Path) -> tuple[Path, ...]:
    """Return where the photo of an address may be; raises LabelFileError for one elsewhere."""
    address = urlsplit(image)
    path = unquote(address.path)
    query = parse_qs(address.query)
    if "d" in query and path.endswith("/local-files/"):
        path = query["d"][0]
    elif address.scheme == "file":
        return (Path(path),)
    elif address.scheme in ("http", "https") and "/data/upload/" not in path:
        raise LabelFileError(
            "The photo is at a web address, from which nothing is fetched.",
            "Download it, and name its folder.",
        )
    elif address.scheme not in ("", "http", "https"):
        raise LabelFileError(
            f"The photo is in a storage: {address.scheme}.", "Download it, and name its folder."
        )
    elif not address.scheme and not path.startswith("/data/"):
        path = image  # a path, in which a question mark is one
        if path.startswith("/"):
            return (Path(path), *_below(photos, path))
    return _below(photos, path)


def _below(photos: Path, path: str) -> tuple[Path, ...]:
    """Return where a path may be below a folder that may be any of the folders in it."""
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    places = [photos.joinpath(*parts[start:]) for start in range(len(parts))]
    if parts:
        name = _UPLOAD_PREFIX.sub("", parts[-1])
        if name and name != parts[-1]:
            places.append(photos / name)
    return tuple(places)
