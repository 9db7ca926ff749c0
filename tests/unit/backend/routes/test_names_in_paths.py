"""No name that a person gives hides behind a fixed word of a path, whatever it is."""

from __future__ import annotations

from itertools import product

import pytest

from tests.support.backend_env import Service


def hidden(routes: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return (path, word): a path of which another one takes that word in the place of a name."""
    found = set()
    for (method, path), (other_method, other) in product(routes, routes):
        pairs = list(zip(path.split("/"), other.split("/"), strict=False))
        if (
            method == other_method
            and path.count("/") == other.count("/")
            and all(one == word or "{" in one + word for one, word in pairs)
        ):
            found |= {(path, word) for one, word in pairs if "{" in one and "{" not in word}
    return found


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (["/models/{model}", "/models/import"], {"import"}),
        (["/models/{model}/use", "/models/import/{number}"], {"import", "use"}),
        (["/models/{model}/use", "/models/import"], set()),
        (["/labels/{id}", "/models/import"], set()),
    ],
)
def test_words_in_the_place_of_a_name_are_found(paths: list[str], words: set[str]) -> None:
    assert {word for _, word in hidden({("get", path) for path in paths})} == words


async def test_every_name_can_be_reached(service: Service) -> None:
    paths = service.app.openapi()["paths"]
    routes = {(method, path) for path, methods in paths.items() for method in methods}
    assert ("patch", "/models/{model}") in routes
    assert hidden(routes) == set()
