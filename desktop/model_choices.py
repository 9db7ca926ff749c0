"""Which model answers the photos of this window; knows no Qt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from desktop.formats import plural
from desktop.translation import tr
from serving.models.served import ServedModels

if TYPE_CHECKING:  # the window, which imports this, is painted before the backend's types are
    from backend.contract import ModelSummary


@dataclass(frozen=True)
class ModelChoice:
    """A model in a menu."""

    name: str
    selected: bool = False
    served: bool = True
    current: bool = False
    detail: str = ""
    """What distinguishes it: how many classes it knows."""


class AnsweringModel:
    """The current model, unless a person chose another one that is served.

    What is chosen holds for this window and until it is closed; a model that is no longer
    served is given up for the current one.
    """

    def __init__(self) -> None:
        self._served = ServedModels()
        self._models: Sequence[ModelSummary] = ()
        self._chosen = ""
        self._listeners: list[Callable[[], None]] = []

    @property
    def name(self) -> str:
        """The model that answers; empty until one is known."""
        return self.requested or self._served.current

    @property
    def requested(self) -> str | None:
        """The model to name in requests; None for whichever is current when they are sent."""
        chosen = self._chosen
        is_other = chosen != self._served.current and chosen in self._served.names()
        return chosen if is_other else None

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each change."""
        self._listeners.append(listener)

    def choose(self, name: str) -> None:
        """Have a served model answer the photos of this window."""
        self._chosen = name
        self._changed()

    def set_served(self, served: ServedModels) -> None:
        """What the instances serve, as the fleet says."""
        if served != self._served:
            self._served = served
            self._changed()

    def set_models(self, models: Sequence[ModelSummary]) -> None:
        """Every model of the workspace, as the backend says."""
        self._models = tuple(models)
        self._changed()

    def choices(self) -> list[ModelChoice]:
        """Return what a menu offers: the served models first, the current one on top."""
        known = {each.name: each for each in self._models}
        served = [name for name in self._served.names() if name != self._served.loading]
        others = [each.name for each in self._models if each.name not in served]
        return [
            ModelChoice(
                name,
                selected=name == self.name,
                served=name in served,
                current=name == self._served.current,
                detail=_detail(known[name]) if name in known else "",
            )
            for name in (*served, *others)
        ]

    def _changed(self) -> None:
        for listener in tuple(self._listeners):
            listener()


def _detail(model: ModelSummary) -> str:
    if not model.class_count:
        return tr("no class yet")
    return plural(model.class_count, "class", "classes")
