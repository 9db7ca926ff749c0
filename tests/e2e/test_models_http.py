"""A model of one's own over HTTP, from an empty workspace, while others classify."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.models.builtin.catalog import DEFAULT_BUILT_IN
from tests.support.command_line import CommandLine
from tests.support.http_load import HttpLoad
from tests.support.problems import PROBLEM_FIELDS
from tests.support.waiting import wait_until
from tests.support.waste_photos import WASTE, unseen_photos, waste_folder

pytestmark = pytest.mark.slow

LEARNING = 120.0
"""Seconds; on a machine that does nothing else it takes a few."""
PHOTOS = 8
"""Of each class."""


@pytest.fixture(scope="module")
def address(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with CommandLine(tmp_path_factory.mktemp("http")).serving() as address:
        yield address


@pytest.fixture
async def http(address: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=address, timeout=60, trust_env=False) as http:
        yield http


async def answer(http: httpx.AsyncClient, photo: Path, model: str | None = None) -> Any:
    """Return what `POST /classify` says about a photo."""
    response = await http.post(
        "/classify",
        params={"model": model} if model else {},
        files={"file": await asyncio.to_thread(photo.read_bytes)},
    )
    assert response.is_success, response.text
    return response.json()


async def learned(http: httpx.AsyncClient, response: httpx.Response) -> Any:
    """Return the training run of a response once it has finished."""
    assert response.status_code == 202, response.text
    path = f"/training/{response.json()['id']}"

    async def finished() -> Any:
        run = (await http.get(path)).json()
        return run if run["state"] not in ("queued", "running") else None

    return await wait_until(finished, LEARNING)


async def test_a_model_of_a_folder_answers_and_the_former_one_again(
    http: httpx.AsyncClient, address: str, photos: list[Path], shared_data: Path, tmp_path: Path
) -> None:
    (panda,) = (photo for photo in photos if photo.name.endswith("_giant_panda.JPEG"))
    before = await answer(http, panda)
    assert (before["model"], before["scores"][0]["name"]) == (DEFAULT_BUILT_IN, "giant panda")
    folder = waste_folder(shared_data, tmp_path / "waste", PHOTOS)

    # Few callers that wait, since the training yields to all of them.
    async with HttpLoad(address, panda.read_bytes(), 4, pause=1.0) as load:
        await load.wait_for_answers_of(DEFAULT_BUILT_IN)
        new = {"name": "waste", "backbone": DEFAULT_BUILT_IN}
        created = await http.post("/models", json=new)
        assert created.status_code == 201, created.text
        imported = await http.post("/models/waste/import", json={"folder": str(folder)})
        run = await learned(http, imported)
        assert (run["state"], run["promoted"], run["labels"]) == ("succeeded", True, 3 * PHOTOS)
        served = await http.put("/models/waste/served")
        assert served.json()["served"] is True, served.text
        await knows_waste(http, shared_data, "waste")
        used = await http.post("/models/waste/use")
        assert used.json()["current"] is True, used.text
        await load.wait_for_answers_of("waste")
        assert (await answer(http, panda))["model"] == "waste"
        back = await http.post(f"/models/{DEFAULT_BUILT_IN}/use")
        assert back.json()["current"] is True, back.text
        await load.wait_for_answers_of(DEFAULT_BUILT_IN)
    assert load.failures == []
    after = await answer(http, panda)
    assert after["scores"] == before["scores"]


async def knows_waste(http: httpx.AsyncClient, shared_data: Path, model: str) -> None:
    """Fail unless the model answers most of the photos that it never saw rightly."""
    right = 0
    unseen = unseen_photos(shared_data, 2)
    for photo, name in unseen.items():
        found = await answer(http, photo, model)
        assert {score["name"] for score in found["scores"]} == set(WASTE)
        right += found["scores"][0]["name"] == name
    assert right > len(unseen) / 2


async def test_what_the_folder_taught_can_be_looked_at(http: httpx.AsyncClient) -> None:
    """It goes on with the model of the test before."""
    version = (await http.get("/models/waste/versions")).json()[0]
    assert (version["number"], version["live"], version["has_report"]) == (2, True, True)
    report = (await http.get("/models/waste/versions/2/report")).json()
    assert dict(zip(report["classes"], report["photos_per_class"], strict=True)) == (
        dict.fromkeys(WASTE, PHOTOS)
    )
    assert sum(map(sum, report["confusion"])) == report["photos"] == 3 * PHOTOS
    assert [Path(each["path"]).name for each in report["skipped"]] == ["notes.txt"]
    assert (await http.get("/models/waste/versions/1/report")).status_code == 404
    verified = (await http.post("/models/waste/versions/2/verify")).json()
    assert (verified["recorded"], verified["changed"]) == (True, [])
    shown = (await http.get("/models/waste/photos", params={"count": 3})).json()
    assert {photo["class_name"] for photo in shown} == set(WASTE)
    image = await http.get(f"/images/{shown[0]['image']}")
    assert (image.headers["content-type"], image.content[:2]) == ("image/jpeg", b"\xff\xd8")


async def test_a_zip_file_teaches_as_a_folder_does(
    http: httpx.AsyncClient, shared_data: Path, tmp_path: Path
) -> None:
    folder = waste_folder(shared_data, tmp_path / "waste", 4, WASTE[:2])
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        for path in sorted(folder.rglob("*")):
            out.write(path, path.relative_to(folder.parent))
    new = {"name": "Müll & mehr", "backbone": DEFAULT_BUILT_IN}
    assert (await http.post("/models", json=new)).status_code == 201
    model = "/models/M%C3%BCll%20%26%20mehr"
    sent = await http.post(
        f"{model}/import",
        content=archive.getvalue(),
        headers={"Content-Type": "application/zip"},
    )
    run = await learned(http, sent)
    assert (run["state"], run["labels"]) == ("succeeded", 8), run
    assert (await http.get(model)).json()["class_count"] == 2


async def test_a_model_is_renamed_copied_deleted_and_restored(http: httpx.AsyncClient) -> None:
    """It goes on with the model of the first test."""
    before = (await http.get("/models/waste")).json()
    copy = await http.post("/models/waste/duplicate", json={"name": "copy"})
    assert copy.status_code == 201, copy.text
    assert copy.json()["labels"] == before["labels"] == 3 * PHOTOS
    renamed = await http.patch("/models/copy", json={"name": "second"})
    assert renamed.json()["name"] == "second", renamed.text
    former = await http.get("/models/copy")
    assert former.json()["name"] == "second", "a model is found by its former name"
    deleted = await http.delete("/models/second")
    assert deleted.json()["labels"] == 3 * PHOTOS, deleted.text
    assert (await http.get("/models/second")).status_code == 404
    restored = await http.post(f"/deleted/{deleted.json()['token']}/restore")
    assert restored.json()["labels"] == 3 * PHOTOS, restored.text
    refused = await http.delete(f"/models/{DEFAULT_BUILT_IN}")
    assert refused.status_code == 409
    assert refused.json()["advice"]


async def test_a_folder_that_is_none_is_explained(http: httpx.AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused = await http.post("/models/waste/import", json={"folder": str(tmp_path / "empty")})
    assert refused.status_code == 400
    assert set(refused.json()) == PROBLEM_FIELDS
