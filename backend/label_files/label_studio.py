"""Label Studio's JSON: tasks with an image, and annotations that choose a class.

Written are `tasks.json`, which Label Studio imports, and `label-config.xml`, the labelling
interface that it needs. Its local storage has to know the folder around the exported one, since a
task names its photo as `/data/local-files/?d=EXPORTED/photos/HASH.jpg`.

- a class is the choice of its name; "none of the classes" is the choice that `data.none_choice`
  names, which no class is called like
- "nothing for now" is a cancelled annotation, which is how Label Studio writes skipped tasks
- who said it and whether it settles a disagreement stand in `servery` beside each annotation:
  Label Studio accepts as `completed_by` only people that it knows, and keeps no other fields
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from backend.contract import TASKS_JSON, LabelKind
from backend.store.label_exchange import WrittenLabel

CONFIG_NAME = "label-config.xml"
CONTROL, IMAGE = "label", "image"
"""The names of the choices and of the image in the labelling interface."""
LOCAL_FILES = "/data/local-files/?d="
_NONE = "none of the classes"


def texts(labels: Sequence[WrittenLabel], files: Mapping[str, str], folder: str) -> dict[str, str]:
    """Return the two files for labels whose photos are where `files` says, in `folder`."""
    classes = sorted({label.class_name for label in labels if label.kind is LabelKind.CLASS})
    none = _name_beside(classes)
    of_photo: defaultdict[str, list[WrittenLabel]] = defaultdict(list)
    for label in labels:
        of_photo[label.image].append(label)
    tasks = [
        _task(number, image, said, f"{folder}/{files[image]}", none)
        for number, (image, said) in enumerate(of_photo.items(), 1)
    ]
    return {
        TASKS_JSON: json.dumps(tasks, indent=1, ensure_ascii=False) + "\n",
        CONFIG_NAME: _config((*classes, none)),
    }


def _task(
    number: int, image: str, said: Sequence[WrittenLabel], file: str, none: str
) -> dict[str, Any]:
    return {
        "id": number,
        "data": {
            IMAGE: f"{LOCAL_FILES}{file}",
            "sha256": image,
            "held_out": bool(said[-1].held_out),
            "none_choice": none,
        },
        "annotations": [_annotation(label, none) for label in said],
        "predictions": [],
    }


def _annotation(label: WrittenLabel, none: str) -> dict[str, Any]:
    skipped = label.kind is LabelKind.SKIP
    choice = none if label.kind is LabelKind.NONE else label.class_name
    result = {
        "from_name": CONTROL,
        "to_name": IMAGE,
        "type": "choices",
        "value": {"choices": [choice]},
    }
    return {
        "result": [] if skipped else [result],
        "was_cancelled": skipped,
        "created_at": label.created,
        "servery": {
            "by": label.by,
            "settles": label.settles,
            "held_out": bool(label.held_out),
        },
    }


def _config(choices: Iterable[str]) -> str:
    lines = "\n".join(f"    <Choice value={quoteattr(choice)}/>" for choice in choices)
    return (
        "<View>\n"
        f'  <Image name="{IMAGE}" value="${IMAGE}"/>\n'
        f'  <Choices name="{CONTROL}" toName="{IMAGE}" choice="single" showInLine="true">\n'
        f"{lines}\n"
        "  </Choices>\n"
        "</View>\n"
    )


def _name_beside(classes: Iterable[str]) -> str:
    """Return what to call "none of the classes" where no class is called so."""
    taken = {name.casefold() for name in classes}
    name = _NONE
    while name.casefold() in taken:
        name = f"({name})"
    return name
