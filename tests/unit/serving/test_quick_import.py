from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from serving.quick_import import quick_import


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    gc.enable()


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_collected_afterwards_if_it_was_before(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()
    with quick_import():
        assert not gc.isenabled()
    assert gc.isenabled() is enabled


def test_also_after_an_import_that_failed() -> None:
    with pytest.raises(ModuleNotFoundError), quick_import():
        import no_such_module  # type: ignore[import-not-found]  # noqa: F401
    assert gc.isenabled()


def test_what_was_made_is_kept_out_of_later_collections() -> None:
    with quick_import():
        made: list[list[int]] = [[] for _ in range(100)]
    assert not {id(each) for each in gc.get_objects()} & {id(each) for each in made}
