"""The model repository: numbered, immutable versions in a folder per model.

    <root>/<model>/<version>/saved_model.pb, assets.extra/servery.json, ...
    <root>/<model>/serving.config             which version of the model is live
    <root>/<model>/model.json                 ModelSettings
    <root>/<model>/faults.config              ModelFaults
    <root>/<model>/canary.json                Canary
    <root>/served.json                        ServedModels
    <root>/serving.config                     the live versions of all served models
    <root>/monitoring.config                  that servers count requests
    <root>/fleet_image.json                   FleetImage
    <root>/trusted.json                       versions that may do more than compute
    <root>/.deleted/<token>/<model>/          deleted models that can be restored

`<root>/serving.config` is a `ModelServerConfig` in text form, the file that
`tensorflow_model_server --model_config_file` polls, so promoting a version or
serving another model is one atomic write that every instance of every engine
sees. It pins live versions with `specific`: a new version is loaded before the
old one goes, and rolling back is the same act with an older number. While a live
version is known to have a fault, the last good one is pinned in its place. While a canary
goes on, its version is loaded beside the live one.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from serving.errors import ModelError
from serving.files import flush_tree
from serving.models.canary import Canary, CanaryFiles, CanaryPhase, read_canary
from serving.models.faults import FAULTS_NAME, ModelFaults, VersionFault, files_state
from serving.models.fleet_image import (
    FleetImage,
    check_served,
    check_version,
    read_fleet_image,
)
from serving.models.model_settings import ModelSettings, read_settings
from serving.models.repository_files import RepositoryFiles, is_file, subfolders
from serving.models.served import ServedModels
from serving.models.served_file import ServedFile, read_served
from serving.models.serving_config import (
    CONFIG_NAME,
    MONITORING,
    MONITORING_NAME,
    PinnedModel,
    pinned_version,
    pinned_versions,
    read_monitoring,
    serving_config,
)
from serving.models.version import Version
from serving.state_files import UnreadableFile, read_text
from serving.tf.names import SAVED_MODEL_FILE
from serving.tf.trust import TRUSTED_NAME

SERVED_NAME = "served.json"
SETTINGS_NAME = "model.json"
DELETED_NAME = ".deleted"
_NUMBER = re.compile(r"[0-9]{1,18}")


class ModelRepository:
    """The versions under one folder; the only place that knows which exist.

    Its methods read and write files: call them off an event loop, `served` excepted. Several
    programs may use one folder at once. Changes raise ModelError if the disk refuses them, and
    leave what is live as it was.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = RepositoryFiles(root)
        self.canaries = CanaryFiles(root)
        self._served_file = ServedFile(self.served_path)

    @property
    def served_path(self) -> Path:
        """The file that says which models are served, and which one is current."""
        return self.root / SERVED_NAME

    def models(self) -> list[str]:
        """Names of the models that have at least one version, sorted."""
        names = (folder.name for folder in subfolders(self.root))
        return [name for name in names if name[0] != "." and self.versions(name)]

    def folders(self) -> list[Path]:
        """Return the folder of each model, of those without any version too."""
        return [folder for folder in subfolders(self.root) if not folder.name.startswith(".")]

    def versions(self, model: str) -> list[Version]:
        """The versions of `model`, oldest first; empty if there are none."""
        numbers = {
            int(entry.name): entry
            for entry in subfolders(self.root / model)
            if _NUMBER.fullmatch(entry.name) and is_file(entry / SAVED_MODEL_FILE)
        }
        return [Version(model, number, numbers[number]) for number in sorted(numbers)]

    def version(self, model: str, number: int) -> Version:
        """Return one version; raises ModelError if it does not exist."""
        for version in self.versions(model):
            if version.number == number:
                return version
        raise ModelError(
            f"Model {model} has no version {number}.",
            "Choose one from the list of versions.",
        )

    def live(self, model: str) -> Version:
        """Return the version of `model` that answers when it is served.

        Raises ModelError without one.
        """
        number = self.checked_live_number(model)
        if number is None:
            raise ModelError(
                f"No version of model {model} is live.", "Promote one of its versions."
            )
        return self.version(model, number)

    def live_number(self, model: str) -> int | None:
        """Return which version of `model` is the live one, be its files there or not.

        None without one, or if the file that says so is damaged.
        """
        try:
            return self.checked_live_number(model)
        except ModelError:
            return None

    def checked_live_number(self, model: str) -> int | None:
        """Return the live version of a model; None without one.

        If the file that says so was damaged, what `config_path` makes servers load counts.
        Raises ModelError if that is not known either.
        """
        try:
            return pinned_version(self.live_config_path(model))
        except ModelError:
            with contextlib.suppress(UnreadableFile):
                number = (pinned_versions(self.config_path) or {}).get(model)
                if number is not None:
                    return number
            raise

    def promote(self, model: str, number: int) -> Version:
        """Make a version the live one of its model; rolling back is the same.

        What was known against the version is forgotten, and a canary of the model ends. Raises
        ModelError if the version does not exist.
        """
        version = self.version(model, number)
        check_version(self.root, model, number)
        with self.files.changing():
            # Before any file names it: after a power cut it is there, no matter what put it there.
            flush_tree(version.path)
            served = self.served()
            before = self.live_number(model)
            faults = ModelFaults.read(self.root / model).without_fault(number)
            self._write_faults(model, faults.after(before) if before != number else faults)
            # First: a program that looks from here on asks for this version, and for no other.
            self._end_canary(model, number)
            entry = serving_config([PinnedModel(model, version.path.parent, number)])
            self.files.write(self.root / model / MONITORING_NAME, MONITORING)
            self.files.write(self.live_config_path(model), entry, pinned_versions)
            if not self._served_file.path.is_file():
                # Without the file the model that was promoted last is the current one, which
                # would change with every promotion of another model.
                served = served if served.current else ServedModels(model)
                self.files.write(self._served_file.path, served.to_json(), read_served)
            self._write_config(served)
        return version

    def answering(self, model: str) -> Version:
        """Return the version that instances should load: the live one unless it has a fault.

        Then it is the last good one, if there is any. Raises ModelError without a live one.
        """
        fallback = self.fallback(model)
        return self.live(model) if fallback is None else self.version(model, fallback)

    def fallback(self, model: str) -> int | None:
        """Return the version that answers in place of the live one; None if that answers."""
        number = ModelFaults.read(self.root / model).fallback
        live = self.live_number(model)
        if number is None or live is None or self.fault(model, live) is None:
            return None
        return number if (self.root / model / str(number)).is_dir() else None

    def fault(self, model: str, number: int) -> VersionFault | None:
        """Return why a version cannot be served; None if nothing is known against it."""
        fault = ModelFaults.read(self.root / model).versions.get(number)
        if fault is None or fault.files != files_state(self.root / model / str(number)):
            return None
        return fault

    def former_live(self, model: str) -> tuple[int, ...]:
        """Return the versions that were live before, the last one first."""
        return ModelFaults.read(self.root / model).former

    def record_fault(
        self, model: str, number: int, fault: VersionFault, fallback: int | None = None
    ) -> None:
        """Remember that a version cannot be served.

        If it is the live one, instances load the version `fallback` in its place.
        """
        fault = replace(fault, files=files_state(self.root / model / str(number)))
        with self.files.changing():
            faults = ModelFaults.read(self.root / model)
            live = self.live_number(model)
            if number != live:
                fallback = faults.fallback
            self._write_faults(model, faults.with_fault(number, fault, fallback))
            canary = self.canaries.of(model)
            if canary is not None and number in (canary.version, canary.stable):
                self._end_canary(model, self.fallback(model) or live or canary.stable)
            self._write_config(self.served())

    def forget_fault(self, model: str, number: int) -> None:
        """Let a version be tried again."""
        with self.files.changing():
            faults = ModelFaults.read(self.root / model)
            if number in faults.versions:
                self._write_faults(model, faults.without_fault(number))
                self._write_config(self.served())

    def start_canary(self, model: str, canary: Canary) -> None:
        """Let instances load a version beside the live one; `label_canary` follows.

        Raises ModelError if it cannot be: the model is not served, is being tried another way, or
        the version is live or does not exist.
        """
        self.version(model, canary.version)
        check_version(self.root, model, canary.version)
        with self.files.changing():
            if model not in self.served().names():
                raise ModelError(
                    f"Model {model} is not served, so it gets no requests to try a version with.",
                    "Serve it first.",
                )
            if canary.version == self.live_number(model):
                raise ModelError(
                    f"Version {canary.version} of {model} is live.", "Choose another version."
                )
            if self.canaries.of(model) is not None:
                raise ModelError(
                    f"Another canary of {model} goes on, or is just ending.",
                    "End it first; if it is ending, try again in a moment.",
                )
            if self.fallback(model) is not None:
                raise ModelError(
                    f"The live version of {model} cannot be served.",
                    f"Promote version {canary.version} in its place.",
                )
            self.canaries.samples_path(model).unlink(missing_ok=True)
            # Before the servers load it: a request that pins nothing gets the newest version that
            # is loaded, and from here on every request pins one.
            self._write_canary(model, canary)
            self._write_config(self.served())

    def change_canary(self, model: str, change: Callable[[Canary], Canary]) -> Canary | None:
        """Change what goes on with a canary, as one act among all programs; None without one."""
        with self.files.changing():
            canary = self.canaries.of(model)
            if canary is None:
                return None
            changed = change(canary)
            self._write_canary(model, changed)
            self._write_config(self.served())
        return changed

    def end_canary(self, model: str) -> None:
        """Let the live version answer all requests again; nothing happens without a canary."""
        with self.files.changing():
            live = self.live_number(model)
            if live is not None:
                self._end_canary(model, self.fallback(model) or live)
            self._write_config(self.served())

    def forget_canary(self, model: str) -> None:
        """Remove a canary that has ended, once the instances have unloaded what lost."""
        with self.files.changing():
            canary = self.canaries.of(model)
            if canary is None or canary.phase is CanaryPhase.ENDING:
                self.canaries.path(model).unlink(missing_ok=True)

    @property
    def config_path(self) -> Path:
        """The file to give to `--model_config_file`: every served model."""
        return self.root / CONFIG_NAME

    def live_config_path(self, model: str) -> Path:
        """The file that says which version of `model` is live.

        Instances of Servery 0.1 poll this one.
        """
        return self.root / model / CONFIG_NAME

    def served(self) -> ServedModels:
        """Return which models are served; quick enough to ask for every request.

        In a workspace that never chose, the model that was promoted last is the current one.
        If the file was damaged, what it said last counts, or else what the servers load.
        """
        return self._served_file.read(
            default=self._served_by_default, in_place_of_damaged=self._served_by_servers
        )

    def change_served(self, change: Callable[[ServedModels], ServedModels]) -> ServedModels:
        """Change which models are served, as one act among all programs.

        Raises ModelError if a model has no live version, or there would be no current one.
        """
        with self.files.changing():
            before = self.served()
            after = change(before)
            if after != before:
                check_served(self.root, after.names())
            for name in after.names():
                if name not in before.names():
                    self.live(name)
            if before.current and not after.current:
                raise ModelError(
                    f"{before.current} is the current model.", "Make another one current first."
                )
            self.files.write(self._served_file.path, after.to_json(), read_served)
            self._write_config(after)
        return after

    def refresh_config(self) -> None:
        """Write `config_path` again if it does not say what it should.

        It names folders by their whole paths, so that it is out of date in a workspace that
        was moved; Servery 0.1 wrote none.
        """
        try:
            read_monitoring(self.root / MONITORING_NAME)
            if read_text(self.config_path) == self._config(self.served()):
                return
        except UnreadableFile:
            pass
        with self.files.changing():
            self._write_config(self.served())

    @property
    def trusted_path(self) -> Path:
        """The list of the versions that may do more than compute: `version_trust.py`."""
        return self.root / TRUSTED_NAME

    def fleet_image(self) -> FleetImage | None:
        """Return the image with a model in it that the fleet runs from, if it does."""
        return read_fleet_image(self.root)

    def settings(self, model: str) -> ModelSettings:
        """Return the settings of a model; the defaults if nothing was ever set, or damaged."""
        try:
            return read_settings(self.root / model / SETTINGS_NAME)
        except UnreadableFile:
            return ModelSettings()

    def change_settings(
        self, model: str, change: Callable[[ModelSettings], ModelSettings]
    ) -> ModelSettings:
        """Change the settings of a model, as one act among all programs."""
        with self.files.changing():
            path = self.root / model / SETTINGS_NAME
            settings = change(self.settings(model))
            self.files.write(path, settings.to_json(), read_settings)
        return settings

    def _served_by_default(self) -> ServedModels:
        promoted = [
            (self.live_config_path(name).stat().st_mtime_ns, name)
            for name in self.models()
            if self.live_config_path(name).is_file()
        ]
        return ServedModels(max(promoted)[1]) if promoted else ServedModels()

    def _served_by_servers(self) -> ServedModels:
        """Return what `config_path` makes servers load, the current model first."""
        try:
            current, *also = pinned_versions(self.config_path) or {}
        except (UnreadableFile, ValueError):
            return self._served_by_default()
        return ServedModels(current, tuple(also))

    def _write_config(self, served: ServedModels) -> None:
        content = self._config(served)  # first: it may go by what the file says now
        self.files.write(self.root / MONITORING_NAME, MONITORING, read_monitoring)
        self.files.write(self.config_path, content, pinned_versions)

    def _config(self, served: ServedModels) -> str:
        live = []
        for name in served.names():
            # A damaged file of one model leaves that one out, not the others.
            with contextlib.suppress(ModelError):
                number = self.checked_live_number(name)
                if number is not None:
                    live.append(self._pinned(name, self.fallback(name) or number))
        return serving_config(live)

    def _pinned(self, model: str, number: int) -> PinnedModel:
        canary = self.canaries.of(model)
        folder = self.root / model
        if (
            canary is None
            or canary.phase is CanaryPhase.ENDING
            or canary.stable != number
            or not (folder / str(canary.version)).is_dir()
        ):
            return PinnedModel(model, folder, number)
        labelled = canary.phase is CanaryPhase.RUNNING
        return PinnedModel(model, folder, number, canary.version, labelled)

    def _write_canary(self, model: str, canary: Canary) -> None:
        self.files.write(self.canaries.path(model), canary.to_json(), read_canary)

    def _end_canary(self, model: str, answers: int) -> None:
        canary = self.canaries.of(model)
        if canary is not None:
            self._write_canary(model, canary.ending(answers))

    def _write_faults(self, model: str, faults: ModelFaults) -> None:
        if faults != ModelFaults.read(self.root / model):
            path = self.root / model / FAULTS_NAME
            self.files.write(path, faults.to_json(), ModelFaults.checked)
