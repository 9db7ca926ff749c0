"""Which versions to serve, and the next steps towards that: pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

_INT64_LIMIT = 2**63


class VersionState(IntEnum):
    """Where a version is in its life, numbered as `ModelVersionStatus.State`."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True)
class Latest:
    """The highest `count` versions."""

    count: int = 1


@dataclass(frozen=True)
class All:
    """Every version."""


@dataclass(frozen=True)
class Specific:
    """These versions, if they exist."""

    numbers: frozenset[int]


Policy = Latest | All | Specific


def policy_from_proto(proto: Any) -> Policy:
    """Read a `ServableVersionPolicy`; unset, and latest of 0, mean the latest one."""
    choice = proto.WhichOneof("policy_choice")
    if choice == "all":
        return All()
    if choice == "specific":
        return Specific(frozenset(proto.specific.versions))
    return Latest(proto.latest.num_versions or 1)


def version_folders(names: Iterable[str]) -> dict[int, str]:
    """Map version numbers to folder names; names that are not int64 numbers are ignored.

    `00000123` is 123; of two names for one number the first in order wins.
    """
    folders: dict[int, str] = {}
    for name in sorted(names):
        if name.isascii() and name.isdecimal() and int(name) < _INT64_LIMIT:
            folders.setdefault(int(name), name)
    return folders


def aspired_versions(policy: Policy, existing: Collection[int]) -> frozenset[int]:
    """Return the versions that the policy selects from the existing ones."""
    match policy:
        case Latest(count):
            return frozenset(sorted(existing, reverse=True)[:count])
        case All():
            return frozenset(existing)
        case Specific(numbers):
            return numbers & frozenset(existing)


@dataclass(frozen=True)
class VersionSteps:
    """What to start now, in this order."""

    load: tuple[int, ...] = ()
    unload: tuple[int, ...] = ()
    cancel: tuple[int, ...] = ()
    """Versions that are being loaded and are no longer aspired."""


def next_steps(aspired: Collection[int], states: Mapping[int, VersionState]) -> VersionSteps:
    """Return what to start, so that a model that is served stays served.

    `states` holds the known versions; one at its END is not tried again while it is
    aspired. Versions are loaded highest first. Those that are not aspired are unloaded,
    lowest first, as soon as an aspired one is available or none is aspired at all.
    """
    load = tuple(sorted((number for number in aspired if number not in states), reverse=True))
    cancel = tuple(
        number
        for number, state in sorted(states.items())
        if number not in aspired and state in (VersionState.START, VersionState.LOADING)
    )
    replaced = any(states.get(number) is VersionState.AVAILABLE for number in aspired)
    unload: tuple[int, ...] = ()
    if replaced or not aspired:
        unload = tuple(
            number
            for number, state in sorted(states.items())
            if number not in aspired and state is VersionState.AVAILABLE
        )
    return VersionSteps(load, unload, cancel)
