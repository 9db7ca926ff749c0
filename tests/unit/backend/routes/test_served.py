"""/models/{model}/use and /served: which models the instances load, and which one answers."""

from __future__ import annotations

import pytest

from backend.client import BackendRefused
from serving.errors import ModelNotServed
from serving.predict.prediction import Prediction
from tests.support.backend_env import MODEL, Service, add_version
from tests.support.sample_images import image_bytes


@pytest.fixture(autouse=True)
def second_model(service: Service) -> None:
    add_version(service.repository, classes=("lion", "zebra"), model="zoo")
    service.repository.promote("zoo", 1)


async def test_another_model_becomes_the_current_one(service: Service) -> None:
    zoo = await service.client.use_model("zoo")
    assert (zoo.current, zoo.served) == (True, True)
    assert not (await service.client.model(MODEL)).served
    health = await service.client.health()
    assert (health.model, health.live_version) == ("zoo", 1)
    assert (await service.client.labels()).model == "zoo"
    assert (await service.client.label(image_bytes(), "lion")).model == "zoo"


async def test_a_model_is_served_beside_the_current_one(service: Service) -> None:
    zoo = await service.client.serve_model("zoo")
    assert (zoo.current, zoo.served) == (False, True)
    assert service.repository.served().names() == (MODEL, "zoo")
    assert not (await service.client.unserve_model("zoo")).served
    assert service.repository.served().names() == (MODEL,)


async def test_the_current_model_cannot_be_unloaded(service: Service) -> None:
    with pytest.raises(BackendRefused, match="current model") as caught:
        await service.client.unserve_model(MODEL)
    assert caught.value.status == 409


async def test_there_must_be_such_a_model(service: Service) -> None:
    for call in (
        service.client.use_model("nothing"),
        service.client.serve_model("nothing"),
        service.client.unserve_model("nothing"),
        service.client.classify(image_bytes(), "nothing"),
        service.client.labels("nothing"),
        service.client.train("nothing"),
        service.client.training_runs("nothing"),
        service.client.photos("nothing"),
    ):
        with pytest.raises(BackendRefused, match="no model nothing") as caught:
            await call
        assert caught.value.status == 404


async def test_the_named_model_answers(service: Service) -> None:
    assert (await service.client.classify(image_bytes(), "ZOO")).model == "zoo"
    form = await service.http.post(
        "/classify", files={"file": image_bytes()}, data={"model": "zoo"}
    )
    assert form.json()["model"] == "zoo"
    assert (await service.client.classify(image_bytes())).model == MODEL
    assert service.classifier.models == ["zoo", "zoo", None]


async def test_the_current_model_may_be_taken_off_those_served_beside_it(
    service: Service,
) -> None:
    await service.client.serve_model(MODEL)
    assert service.repository.served().also == (MODEL,)
    assert (await service.client.unserve_model(MODEL)).served
    assert service.repository.served().also == ()


async def test_a_model_that_is_not_served_does_not_answer(service: Service) -> None:
    service.classifier.failure = ModelNotServed("Model zoo is not served.", "Serve it.")
    with pytest.raises(BackendRefused, match="is not served") as caught:
        await service.client.classify(image_bytes(), "zoo")
    assert caught.value.status == 409


async def test_a_request_that_is_overtaken_by_a_rename_is_answered(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.client.serve_model("zoo")
    classify = service.classifier.classify

    async def renamed_meanwhile(
        jpeg: bytes, model: str | None = None, *, version: int | None = None
    ) -> Prediction:
        if model == "zoo":
            await service.client.rename_model("zoo", "animals")
            raise ModelNotServed("Model zoo is not served.", "Serve it.")
        return await classify(jpeg, model, version=version)

    monkeypatch.setattr(service.classifier, "classify", renamed_meanwhile)
    assert (await service.client.classify(image_bytes(), "zoo")).model == "animals"


async def test_a_workspace_without_a_model_says_so(service: Service) -> None:
    for model in (MODEL, "zoo"):
        for path in (service.repository.root / model).glob("*"):
            if path.is_file():
                path.unlink()
    (service.repository.root / "served.json").unlink()
    assert (await service.client.health()).status == "There is no model yet."
    with pytest.raises(BackendRefused, match="no model yet") as caught:
        await service.client.train()
    assert caught.value.status == 409
