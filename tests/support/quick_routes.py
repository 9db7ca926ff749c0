"""Routes of the backend's service that are made many times in one process, and analysed once.

A test's service is made for that test, and FastAPI would read the signatures of its hundred
endpoints and build validators for them every time, once as they are declared and once more in the
router that includes them: longer than most of these tests take. An endpoint of the next service is
another closure of the same code, with the same parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

import fastapi.routing
import pytest

_SERVICE = "dependency_overrides_provider"
"""The option that names the service itself."""
_CHANGEABLE = ("callbacks", "dependencies", "methods", "responses", "tags")


@contextmanager
def quick_routes() -> Iterator[None]:
    """Until the end of the block, FastAPI keeps what it found out about the code of an endpoint."""
    populate: Any = getattr(fastapi.routing, "_populate_api_route_state")  # noqa: B009
    fields = tuple(getattr(fastapi.routing, "_APIRouteLike").__annotations__)  # noqa: B009
    known: dict[tuple[object, str], list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    """By code and path: options of a route, and what the route was like then."""

    def quick(route: Any, path: str, endpoint: Any, **options: Any) -> None:
        code = getattr(endpoint, "__code__", None)
        service = options.pop(_SERVICE, None)
        found = known.setdefault((code, path), [])
        state = next((state for given, state in found if given == options), None)
        if state is None:
            populate(route, path, endpoint, **options, **{_SERVICE: service})
            if code is not None and all(map(_is_same_for_all, route.dependant.dependencies)):
                found.append((options, _without_service({n: getattr(route, n) for n in fields})))
            return
        dependant = copy(state["dependant"])
        dependant.call = endpoint
        vars(route).update(state)
        # One service must not see what becomes of the lists and dictionaries of another.
        vars(route).update((name, copy(state[name])) for name in _CHANGEABLE)
        vars(route).update({"endpoint": endpoint, "dependant": dependant, _SERVICE: service})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fastapi.routing, "_populate_api_route_state", quick)
        yield


def _is_same_for_all(dependency: Any) -> bool:
    """Whether what an endpoint depends on is no closure, of which each service has its own."""
    is_function = getattr(dependency.call, "__closure__", dependency) is None
    return is_function and all(map(_is_same_for_all, dependency.dependencies))


def _without_service(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a route without what would keep the service of its test in memory."""
    dependant = copy(state["dependant"])
    dependant.call = None
    return {**state, "dependant": dependant, "endpoint": None, _SERVICE: None}
