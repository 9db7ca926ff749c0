"""The files of the model repository: what is served, what is live, and the versions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from serving.errors import ModelError
from serving.models.canary import CANARY_NAME, read_canary
from serving.models.card import CARD_PATH
from serving.models.faults import FAULTS_NAME, ModelFaults
from serving.models.model_settings import read_settings
from serving.models.repository import SERVED_NAME, SETTINGS_NAME, ModelRepository
from serving.models.served_file import read_served
from serving.models.serving_config import MONITORING_NAME, pinned_versions, read_monitoring
from serving.models.trusted_list import read_trusted_list
from serving.repair.cards import reason_against_card, repair_card
from serving.repair.problem import WorkspaceProblem, damage, open_or_move_aside, readable_again
from serving.workspace import Workspace


def check_served(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    """Yield a problem for each damaged file that says what instances load."""
    repository = ModelRepository(workspace.models)
    path = workspace.models / SERVED_NAME

    def write_served() -> str:
        if opened := readable_again(path, read_served):
            return opened
        served = repository.change_served(lambda served: served)
        names = ", ".join(served.names()) or "none"
        return f"{path} was moved to {workspace.damaged} and written again. Served: {names}."

    def write_config() -> str:
        repository.refresh_config()
        return f"{repository.config_path} was written again, from what is served and live."

    yield from damage(path, read_served, write_served)
    yield from damage(repository.config_path, pinned_versions, write_config)
    yield from damage(workspace.models / MONITORING_NAME, read_monitoring, write_config)


def check_models(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    """Yield a problem for each damaged file that says something of a whole model."""
    repository = ModelRepository(workspace.models)
    for model in repository.models():
        folder = workspace.models / model
        settings = folder / SETTINGS_NAME
        yield from damage(
            settings, read_settings, partial(_repair_settings, repository, model, settings)
        )
        live = repository.live_config_path(model)
        yield from damage(live, pinned_versions, partial(_repair_live, repository, model, live))


def check_trusted(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    """Yield a problem if the list of trusted versions is damaged, upon which none is trusted."""
    path = ModelRepository(workspace.models).trusted_path
    consequence = "Trust those versions again that do more than compute."
    repair = partial(open_or_move_aside, path, read_trusted_list, workspace, consequence)
    yield from damage(path, read_trusted_list, repair)


def check_faults(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    """Yield a problem for each damaged list of the versions of a model that have a fault."""
    for folder in ModelRepository(workspace.models).folders():
        path = folder / FAULTS_NAME
        consequence = "Versions that cannot be served are found out again."
        repair = partial(open_or_move_aside, path, ModelFaults.checked, workspace, consequence)
        yield from damage(path, ModelFaults.checked, repair)


def check_canaries(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    """Yield a problem for each damaged file about a canary, which goes on no longer then."""
    repository = ModelRepository(workspace.models)
    for folder in repository.folders():
        path = folder / CANARY_NAME
        consequence = "The live version answers all requests. Start the canary again."
        repair = partial(open_or_move_aside, path, read_canary, workspace, consequence)
        yield from damage(path, read_canary, repair)


def check_cards(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    """Yield a problem for each version without a card that can be read."""
    repository = ModelRepository(workspace.models)
    for model in repository.models():
        for version in repository.versions(model):
            try:
                version.card()
            except ModelError as error:
                path = version.path / CARD_PATH
                reason = reason_against_card(repository, version)
                if reason is not None:
                    yield WorkspaceProblem(path, f"{error.what} {reason.what}", reason.advice)
                    continue
                yield WorkspaceProblem(
                    path,
                    error.what,
                    "Run `servery doctor --repair`, which writes one from what the model says.",
                    partial(repair_card, repository, version, workspace),
                )


def _repair_settings(repository: ModelRepository, model: str, path: Path) -> str:
    if opened := readable_again(path, read_settings):
        return opened
    try:
        backbone = repository.live(model).card().backbone
    except ModelError:
        backbone = ""
    own = "" if backbone == model else backbone
    repository.change_settings(model, lambda settings: replace(settings, backbone=own))
    return (
        f"The settings of model {model} were written again; the damaged file is in"
        f" {repository.files.damaged}. Versions that were pinned have to be pinned again."
    )


def _repair_live(repository: ModelRepository, model: str, path: Path) -> str:
    if opened := readable_again(path, pinned_versions):
        return opened
    try:
        number = repository.live(model).number
    except ModelError:
        number = repository.versions(model)[-1].number
    repository.promote(model, number)
    return (
        f"Version {number} of {model} is live; the damaged file is in {repository.files.damaged}."
    )
