"""/labels: kept before acknowledged, once each, and undone."""

from __future__ import annotations

import asyncio

import pytest

from backend.contract import ClassCount
from tests.support.backend_env import Service, add_version
from tests.support.databases import rows
from tests.support.sample_images import image_bytes

EACH_DATABASE = True


async def test_a_label_is_on_disk_when_it_is_acknowledged(service: Service) -> None:
    jpeg = image_bytes()
    label = await service.client.label(jpeg, "zebra")
    assert service.store.images.path(label.image).read_bytes() == jpeg
    stored = rows(service.workspace, service.database, "SELECT id, image, class_name FROM labels")
    assert stored == [(label.id, label.image, "zebra")]


async def test_a_class_is_new_until_a_version_answers_with_it(service: Service) -> None:
    assert (await service.client.label(image_bytes("red"), "zebra")).new_class
    assert not (await service.client.label(image_bytes("blue"), "cat")).new_class


async def test_names_are_tidied_and_spelled_as_before(service: Service) -> None:
    first = await service.client.label(image_bytes("red"), "  Giant \n Panda ")
    again = await service.client.label(image_bytes("blue"), "giant panda")
    known = await service.client.label(image_bytes("green"), "CAT")
    assert first.class_name == again.class_name == "Giant Panda"
    assert known.class_name == "cat"


@pytest.mark.parametrize(
    "name", [None, "", "   ", "x" * 101, "a\x00b", "a\x1b[31mb", "a\x7fb"], ids=repr
)
async def test_an_unusable_class_name_is_400(service: Service, name: str | None) -> None:
    data = {} if name is None else {"class": name}
    answer = await service.http.post("/labels", files={"file": image_bytes()}, data=data)
    assert answer.status_code == 400
    assert (await service.client.labels()).total == 0


async def test_a_bare_body_takes_the_class_from_the_query(service: Service) -> None:
    answer = await service.http.post("/labels?class=zebra", content=image_bytes())
    assert answer.status_code == 201
    assert answer.json()["class_name"] == "zebra"


async def test_a_newer_label_replaces_and_undo_brings_back(service: Service) -> None:
    await service.client.label(image_bytes(), "cat")
    newer = await service.client.label(image_bytes(), "zebra")
    assert (await service.client.labels()).classes == [ClassCount("zebra", 1, known=False)]
    await service.client.undo_label(newer.id)
    await service.client.undo_label(newer.id)
    assert (await service.client.labels()).classes == [ClassCount("cat", 1, known=True)]


async def test_undoing_what_never_was_is_404(service: Service) -> None:
    for number in (7, 2**70):
        answer = await service.http.delete(f"/labels/{number}")
        assert answer.status_code == 404
        assert answer.json()["detail"]


async def test_a_resent_label_is_kept_once(service: Service) -> None:
    answers = await asyncio.gather(
        *(service.client.label(image_bytes(), "zebra", key="k1") for _ in range(5))
    )
    assert len({answer.id for answer in answers}) == 1
    again = await service.http.post(
        "/labels",
        headers={"Idempotency-Key": "k1"},
        files={"file": image_bytes()},
        data={"class": "zebra"},
    )
    assert again.status_code == 200
    assert (await service.client.labels()).total == 1


async def test_a_key_cannot_mean_two_things(service: Service) -> None:
    await service.client.label(image_bytes(), "zebra", key="k1")
    answer = await service.http.post(
        "/labels",
        headers={"Idempotency-Key": "k1"},
        files={"file": image_bytes()},
        data={"class": "horse"},
    )
    assert answer.status_code == 409


async def test_many_at_once_are_all_kept(service: Service) -> None:
    colours = [f"#{value:02x}8040" for value in range(0, 256, 8)]
    labels = await asyncio.gather(
        *(service.client.label(image_bytes(colour), "zebra") for colour in colours)
    )
    summary = await service.client.labels()
    assert summary.total == summary.since_last_run == len(colours)
    assert len({label.id for label in labels}) == len(colours)


async def test_a_bad_photo_makes_no_label(service: Service) -> None:
    answer = await service.http.post(
        "/labels", files={"file": b"nonsense"}, data={"class": "zebra"}
    )
    assert answer.status_code == 415
    assert (await service.client.labels()).total == 0


async def test_labels_belong_to_the_named_model(service: Service) -> None:
    add_version(service.repository, model="zoo")
    form = await service.http.post(
        "/labels", files={"file": image_bytes()}, data={"class": "zebra", "model": "zoo"}
    )
    assert (form.status_code, form.json()["model"]) == (201, "zoo")
    assert (await service.client.label(image_bytes(), "lion", model="Zoo")).model == "zoo"
    assert (await service.client.labels()).total == 0
    summary = await service.client.labels("zoo")
    assert (summary.model, [count.name for count in summary.classes]) == ("zoo", ["lion"])


async def test_another_name_of_a_class_is_kept_and_the_class_is_offered(service: Service) -> None:
    classes = ("giant panda", "red panda", "crane (bird)", "crane (machine)")
    other_names = {
        "giant panda": ["panda bear", "coon bear"],
        "crane (bird)": ["crane"],
        "crane (machine)": ["crane"],
    }
    number = add_version(service.repository, classes, "zoo", other_names)
    service.repository.promote("zoo", number)

    async def labelled(name: str, color: str) -> tuple[str, str]:
        label = await service.client.label(image_bytes(color), name, model="zoo")
        return label.class_name, label.known_as

    assert await labelled("Coon Bear", "red") == ("Coon Bear", "giant panda")
    assert await labelled("RED PANDA", "blue") == ("red panda", "")
    assert await labelled("crane", "green") == ("crane", "")  # two classes are called so
    assert await labelled("coon bear", "white") == ("Coon Bear", "giant panda")
