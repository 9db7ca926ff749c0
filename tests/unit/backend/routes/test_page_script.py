"""What the web page does: which model it asks, and what it shows of the answers."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import Any

import pytest

from tests.conftest import ROOT

HARNESS = ROOT / "tests" / "support" / "page_in_node.js"
SCRIPT = ROOT / "backend" / "page" / "page.js"
OPEN: list[Any] = ["open", {}]
PHOTO: list[Any] = ["file", "change", {"files": [{"name": "photo.jpg", "size": 9}]}]


def model(name: str, *, current: bool = False, classes: tuple[str, ...] = ()) -> dict[str, Any]:
    live = {"live": True, "classes": list(classes)}
    return {"name": name, "current": current, "served": True, "versions": [live]}


PETS, ZOO = model("pets", current=True, classes=("cat",)), model("big zoo", classes=("zebra",))
HEALTH = {"status": "ok", "instances_ready": 1, "model": "pets", "live_version": 1}
LABELS = {"total": 1, "since_last_run": 1, "classes": []}


def answered(name: str, *classes: str) -> dict[str, Any]:
    scores = [{"name": each, "score": 0.5} for each in classes]
    return {"model": name, "version": 1, "scores": scores, "milliseconds": 3}


ANSWERS: dict[str, Any] = {
    "GET health": HEALTH,
    "GET models": [PETS, ZOO],
    "GET labels": LABELS,
    "GET labels?model=big%20zoo": LABELS,
    "GET training": [],
    "GET training?model=big%20zoo": [],
    "POST classify": answered("pets", "cat"),
    "POST classify?model=big%20zoo": answered("big zoo", "zebra"),
    "POST labels": {"id": 7, "class_name": "zebra", "new_class": False},
}


async def run(
    *steps: list[Any], answers: dict[str, Any] | None = None
) -> tuple[list[list[Any]], dict[str, Any]]:
    """Return the requests that the page sent, and what its elements show in the end.

    `answers` replace those of `ANSWERS`.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("node, which runs the page's script here, is not installed")
    process = await asyncio.create_subprocess_exec(
        node,
        str(HARNESS),
        str(SCRIPT),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    scenario = json.dumps({"answers": ANSWERS | (answers or {}), "steps": steps})
    output, _ = await process.communicate(scenario.encode())
    assert process.returncode == 0
    result = json.loads(output)
    return result["requests"], result["shown"]


async def test_an_unsure_answer_says_so() -> None:
    async def shown_of(unsure: bool) -> str:
        answer = answered("pets", "cat") | {"unsure": unsure}
        _, shown = await run(OPEN, PHOTO, answers={"POST classify": answer})
        return str(shown["answered-by"]["text"])

    assert (await shown_of(True)).startswith("Unsure. pets")
    assert (await shown_of(False)).startswith("pets")


async def test_one_model_is_no_choice() -> None:
    requests, shown = await run(OPEN, PHOTO, answers={"GET models": [PETS]})
    assert shown["model-choice"]["hidden"]
    assert ["POST", "classify", {}] in requests
    assert shown["answered-by"]["text"] == "pets, version 1, in 3 ms"
    assert shown["classes"]["options"] == [["cat", ""]]
    assert shown["right"]["text"] == "Yes, cat"
    assert shown["no-classes"]["hidden"]


async def test_names_are_shown_short_and_with_nothing_that_acts() -> None:
    classes = (
        "otter\nbank" + "w" * 5_000,
        "photo\u202egpj",
        "o\u0300\u0301\u0302\u0303\u0304\u0305",
    )
    answers = {"GET models": [PETS], "POST classify": answered("\x1b[2J", *classes)}
    answers["POST labels"] = {"id": 7, "class_name": "\u202ex", "new_class": False}
    requests, shown = await run(OPEN, PHOTO, ["right", "click", {}], answers=answers)
    names = [parts[0] for parts in shown["scores"]["parts"]]
    assert names == [f"otter\\nbank{'w' * 89}…", "photo\\u202egpj", "o\u0300\u0301\u0302\u0303"]
    assert shown["right"]["text"] == f"Yes, otter\\nbank{'w' * 29}…"
    assert shown["answered-by"]["text"].startswith("\\x1b[2J, version 1")
    assert shown["saved"]["text"] == "Saved: \\u202ex."
    # What is sent is the name as it is.
    assert ["POST", "labels", {"class": classes[0], "model": "\x1b[2J"}] in requests


async def test_served_models_can_be_chosen_and_the_current_one_is_followed() -> None:
    unserved = model("other") | {"served": False}
    requests, shown = await run(
        OPEN,
        PHOTO,
        ["model", "change", {"value": "big zoo"}],
        answers={"GET models": [PETS, ZOO, unserved]},
    )
    assert not shown["model-choice"]["hidden"]
    assert shown["model"]["options"] == [["", "pets (current)"], ["big zoo", "big zoo"]]
    sent = [request[:2] for request in requests]
    # The photo that is shown is classified again by the model that was chosen.
    assert sent.index(["POST", "classify"]) < sent.index(["POST", "classify?model=big%20zoo"])
    assert shown["answered-by"]["text"] == "big zoo, version 1, in 3 ms"
    assert shown["classes"]["options"] == [["zebra", ""]]
    assert ["GET", "labels?model=big%20zoo"] in sent
    assert ["GET", "training?model=big%20zoo"] in sent


async def test_a_label_goes_to_the_model_that_answered() -> None:
    requests, shown = await run(
        OPEN,
        ["model", "change", {"value": "big zoo"}],
        PHOTO,
        ["right", "click", {}],
    )
    assert ["POST", "labels", {"class": "zebra", "model": "big zoo"}] in requests
    assert shown["saved"]["text"] == "Saved: zebra."


async def test_a_model_without_classes_says_what_to_do() -> None:
    answers = {"GET models": [model("pets", current=True)], "POST classify": answered("pets")}
    _, shown = await run(OPEN, PHOTO, answers=answers)
    assert not shown["no-classes"]["hidden"]
    assert shown["confirm"]["hidden"]
    assert not shown["teach"]["hidden"]
    assert shown["class-label"]["text"] == "Say what the photo shows:"


async def test_training_of_another_model_is_not_shown() -> None:
    running = {
        "id": "r1",
        "model": "big zoo",
        "state": "running",
        "step": "Going.",
        "progress": 0.5,
    }
    answers = {"GET training/r1": running}
    _, shown = await run(OPEN, ["training", {"id": "r1"}], answers=answers)
    assert shown["run"]["hidden"]
    _, shown = await run(
        OPEN,
        ["model", "change", {"value": "big zoo"}],
        ["training", {"id": "r1"}],
        answers=answers,
    )
    assert (shown["run"]["hidden"], shown["run-step"]["text"]) == (False, "Going.")


async def test_a_model_that_is_not_served_any_more_is_not_chosen_any_more() -> None:
    requests, shown = await run(OPEN, ["model", "change", {"value": "gone"}], ["models", {}], PHOTO)
    assert requests[-1][:2] == ["POST", "classify"]
    assert shown["model"]["value"] == ""
