"""A new model card for a version whose own is damaged, from what the version itself says."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from serving.errors import ModelError
from serving.files import write_aside, write_in_place_of
from serving.models.card import CARD_PATH, ModelCard
from serving.models.checksums import record_checksum
from serving.models.repository import ModelRepository
from serving.models.version import Version
from serving.repair.problem import NotRepaired, readable_again
from serving.state_files import UnreadableFile, read_file
from serving.text.shell import quoted
from serving.tf.messages import saved_model_pb2
from serving.tf.names import HEAD_CLASSES, SAVED_MODEL_FILE
from serving.tf.tensors import from_proto
from serving.workspace import Workspace

_MAX_GRAPH_BYTES = 2**31


def repair_card(repository: ModelRepository, version: Version, workspace: Workspace) -> str:
    """Write a card with the classes that the version answers with; returns what was done.

    The rest is taken from another version of the model. What was measured of this one is gone.
    Raises NotRepaired if the version does not say its classes.
    """
    path = version.path / CARD_PATH
    if opened := readable_again(path, lambda _: _checked(version)):
        return opened
    classes = classes_of(repository, version)
    sibling = _sibling(repository, version)
    card = replace(
        sibling or ModelCard(version.model, ()),
        classes=classes,
        other_names={
            name: others
            for name, others in (sibling.other_names if sibling else {}).items()
            if name in classes
        },
        base_version=None,
        training_run=None,
        metrics={},
        training={},
    )
    done = ""
    if os.path.lexists(path):
        kept = write_in_place_of(path, path, card.to_json(), workspace.damaged)
        done = f"{path} was moved to {kept}. "
    else:
        write_aside(path, card.to_json())
    record_checksum(version.path, CARD_PATH.as_posix())
    return (
        f"{done}Version {version.number} of {version.model} has a card again, with its"
        f" {len(classes):,} classes; what was measured of it is not known any more."
    )


def reason_against_card(repository: ModelRepository, version: Version) -> NotRepaired | None:
    """Return why `repair_card` could write no card for a version; None if it could."""
    path = version.path / CARD_PATH
    if path.is_file() and not os.access(path, os.R_OK):
        return None  # the right to read it may be all that is missing
    try:
        classes_of(repository, version)
    except NotRepaired as error:
        return error
    return None


def classes_of(repository: ModelRepository, version: Version) -> tuple[str, ...]:
    """Return the classes that the graph of a version has; raises NotRepaired."""
    failure = NotRepaired(
        f"Version {version.number} of {version.model} does not say its classes.",
        _advice(repository, version),
    )
    try:
        content = read_file(version.path / SAVED_MODEL_FILE, _MAX_GRAPH_BYTES) or b""
        message: Any = saved_model_pb2.SavedModel.FromString(content)
        for graph in message.meta_graphs:
            for node in graph.graph_def.node:
                if node.name == HEAD_CLASSES and node.op == "Const":
                    names = from_proto(node.attr["value"].tensor, HEAD_CLASSES).array
                    return tuple(bytes(name).decode() for name in names.ravel())
    except UnreadableFile as error:
        raise NotRepaired(error.what, failure.advice) from error
    except Exception as error:  # whatever protobuf and a damaged tensor raise
        raise failure from error
    raise failure


def _checked(version: Version) -> None:
    try:
        version.card()
    except ModelError as error:
        raise UnreadableFile(version.path, error.what, error.advice) from error


def _advice(repository: ModelRepository, version: Version) -> str:
    """Say what can be done about a version whose classes nobody knows any more."""
    other = _whole_versions(repository, version)
    if other:
        model = quoted(version.model)
        return f"Make another version live: `servery promote {other[0].number} --model {model}`."
    return "Make the model again from its photos; its labels are kept."


def _sibling(repository: ModelRepository, version: Version) -> ModelCard | None:
    """Return the card of the nearest version of the same model that has one."""
    others = _whole_versions(repository, version)
    return others[0].card() if others else None


def _whole_versions(repository: ModelRepository, version: Version) -> list[Version]:
    """Return the other versions of the same model that have a card, the nearest first."""

    def has_card(other: Version) -> bool:
        try:
            other.card()
        except ModelError:
            return False
        return other.number != version.number

    others = filter(has_card, repository.versions(version.model))
    return sorted(others, key=lambda other: abs(other.number - version.number))
