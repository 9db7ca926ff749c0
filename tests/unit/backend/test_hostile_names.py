"""Whatever a name is, it is answered with a sentence in JSON that can be shown."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

import pytest

from tests.support.backend_env import Service
from tests.support.hostile_names import NAMES
from tests.support.problems import PROBLEM_FIELDS

JSON = {"Content-Type": "application/json"}
HALF = '{"name": "\\ud800", "backbone": "\\ud800", "class": "\\ud800", "folder": "/\\ud800"}'


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_in_an_address_is_data(service: Service, name: str) -> None:
    address = quote(NAMES[name][:200], safe="")
    for method, path in (
        ("GET", f"/models/{address}"),
        ("GET", f"/labels?model={address}"),
        ("POST", f"/models/{address}/use"),
        ("GET", f"/images/{address}"),
    ):
        answer = await service.http.request(method, path)
        assert 400 <= answer.status_code < 500, (method, path)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        sentences = f"{answer.json()['detail']}{answer.json()['advice']}"
        for joiner in "\u200c\u200d":
            sentences = sentences.replace(joiner, "")
        assert not {"Cc", "Cf", "Cs"} & {unicodedata.category(char) for char in sentences}


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/models"), ("PATCH", "/models/farm"), ("POST", "/models/farm/import")],
)
async def test_half_a_character_is_refused(service: Service, method: str, path: str) -> None:
    answer = await service.http.request(method, path, content=HALF, headers=JSON)
    assert answer.status_code == 400 or answer.status_code == 404
    assert set(answer.json()) == PROBLEM_FIELDS


@pytest.mark.parametrize("name", NAMES)
async def test_a_model_of_such_a_name_is_refused_or_kept_as_it_is(
    service: Service, name: str
) -> None:
    answer = await service.http.patch("/models/farm", json={"name": NAMES[name]})
    if answer.status_code == 200:
        assert answer.json()["name"] == " ".join(NAMES[name].split())
    else:
        assert answer.status_code == 400
