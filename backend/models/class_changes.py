"""Classes are renamed, merged and deleted at once: in the labels, and in a version of their own.

Nothing is trained: the version is derived from the live one, and goes live as a person's decision.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from backend.contract import ClassChangeKind, ClassCount, Decision, Event, Rule
from backend.events import EventBroker
from backend.models.lifecycle import ModelSwitch
from backend.store.classes import ChangeState, StoredChange
from backend.store.store import Store
from backend.training.class_edit import ClassEdit, ClassEditSpec
from backend.training.trainer import ModelBusy, Trainer
from backend.training.worker_process import worker_variables
from serving.background import finish
from serving.class_names import checked_class_name
from serving.errors import BackendError, ModelError, ServeryError
from serving.job_program import run_job
from serving.models.pruning import prune, remove_version
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.models.version import Version
from serving.text.visible import shortened
from serving.workspace import Workspace

PROGRAM = "backend.training.class_edit"
WAIT_SECONDS = 20.0
"""How long a change waits for a training run of the model, which mostly takes less."""
_POLL_SECONDS = 0.2

_log = logging.getLogger(__name__)


class UnknownClass(BackendError):
    """Neither the live version nor any label knows the class."""


class ClassNameTaken(BackendError):
    """What is to be undone cannot be: another class has its name now."""


class ClassChanges:
    """Changes classes in the repository and in the store together."""

    def __init__(
        self,
        *,
        repository: ModelRepository,
        store: Store,
        trainer: Trainer,
        switch: ModelSwitch,
        broker: EventBroker,
        workspace: Workspace,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._repository = repository
        self._store = store
        self._trainer = trainer
        self._switch = switch
        self._broker = broker
        self._embeddings = workspace.embeddings
        self._wait_seconds = wait_seconds
        self._changing = asyncio.Lock()

    async def classes(self, model: str) -> list[ClassCount]:
        """Return the classes that the live version or a label knows, by name."""
        live, _ = await self._known(model)
        counts = {**dict.fromkeys(live, 0), **await self._store.classes.counts(model)}
        ranked = sorted(counts.items(), key=lambda item: (item[0].casefold(), item[0]))
        return [ClassCount(name, count, name in live) for name, count in ranked]

    async def rename(self, model: str, name: str, new_name: str, by: str) -> None:
        """Call a class otherwise; merge it into another one if that has the new name.

        Returns once a version is live that has it, if the live one knows the class. Raises
        ClassNameError, UnknownClass, ModelBusy if the model goes on learning, and
        UnusableVersion.
        """
        checked = checked_class_name(new_name)
        async with self._changing, self._held(model):
            live, labelled = await self._known(model)
            name = _found(name, model, live, labelled)
            others = {each.casefold(): each for each in (*labelled, *live) if each != name}
            new = others.get(checked.casefold(), checked)
            if new != name:
                kind = ClassChangeKind.MERGED if new in others.values() else ClassChangeKind.RENAMED
                await finish(self._change(model, kind, name, new, by, in_version=name in live))

    async def delete(self, model: str, name: str, by: str) -> None:
        """Let the model know a class no more; its photos have no label then. As `rename`."""
        async with self._changing, self._held(model):
            live, labelled = await self._known(model)
            name = _found(name, model, live, labelled)
            kind = ClassChangeKind.DELETED
            await finish(self._change(model, kind, name, "", by, in_version=name in live))

    async def undo(self, model: str, change: int, by: str) -> None:
        """Take a change back, however long it was ago; idempotent.

        The version before it goes live again if its own is live still. Otherwise another one
        is derived that has the former name; a class that was merged or deleted is learned by
        the next training run from its labels, which come back at once. Raises
        UnknownClassChange, ClassNameTaken, and as `rename`.
        """
        async with self._changing, self._held(model):
            stored = await self._store.classes.get(model, change)
            if stored.state is not ChangeState.DONE:
                return
            live, labelled = await self._known(model)
            made = stored.change
            if made.name.casefold() in {each.casefold() for each in (*live, *labelled)}:
                raise ClassNameTaken(
                    f"There is a class {made.name} again.", "Rename that one first."
                )
            version = await asyncio.to_thread(self._live, model)
            if made.version is not None and version is not None and version.number == made.version:
                await finish(self._return(stored, by))
            elif made.kind is ClassChangeKind.RENAMED and (
                made.new_name in live or made.new_name in labelled
            ):
                in_version = made.new_name in live
                kind, name, new = ClassChangeKind.RENAMED, made.new_name, made.name
                await finish(self._change(model, kind, name, new, by, in_version=in_version))
                await self._store.classes.end(change, ChangeState.UNDONE)
            else:
                await finish(self._return(stored, by))

    async def open(self) -> None:
        """Finish what an earlier backend began, or leave it as it was before."""
        for stored in await self._store.classes.unfinished():
            change = stored.change
            try:
                if stored.state is ChangeState.BEGUN:
                    await asyncio.to_thread(self._remove_derived, stored)
                    await self._store.classes.cancel(change.id)
                elif stored.state is ChangeState.APPLIED:
                    await self._go_live(stored, change.version, change.by, stored.change.sentence)
                    await self._store.classes.end(change.id, ChangeState.DONE)
                else:
                    await self._go_back(stored, change.by)
            except ServeryError as error:
                _log.error("The change %d of a class could not be ended: %s", change.id, error)

    async def _change(
        self,
        model: str,
        kind: ClassChangeKind,
        name: str,
        new_name: str,
        by: str,
        *,
        in_version: bool,
    ) -> None:
        """Carry a change out completely, or not at all."""
        base = await asyncio.to_thread(self._live, model) if in_version else None
        classes = self._store.classes
        number = base.number if base is not None else None
        change = await classes.begin(model, kind, name, new_name, by, number)
        try:
            if base is not None:
                version = await self._derive(base, change, ClassEdit(name, new_name))
                await classes.derived(change, version.number)
                await self._switch.try_version(version)
            await classes.apply(change)
        except BaseException:
            stored = await classes.get(model, change)
            await asyncio.to_thread(self._remove_derived, stored)
            await classes.cancel(change)
            raise
        stored = await classes.get(model, change)
        await self._go_live(stored, stored.change.version, by, stored.change.sentence)
        await classes.end(change, ChangeState.DONE)
        self._publish(model)

    async def _derive(self, base: Version, change: int, edit: ClassEdit) -> Version:
        snapshot = await self._store.labels.snapshot(base.model)
        pool = await self._store.pool.unlabelled(base.model)
        labelled = [label.image for label in reversed(snapshot.current)]
        with staged_version(self._repository, base.model) as staged:
            spec = ClassEditSpec(
                edit=edit,
                base_version=base.number,
                base_folder=str(base.path),
                staging_folder=str(staged),
                embeddings_folder=str(self._embeddings),
                images=(*pool, *labelled),
                change=change,
            )
            await run_job(PROGRAM, spec.to_json(), "Changing the class", worker_variables())
            return await asyncio.to_thread(
                commit_version, self._repository, base.model, staged, learned_from=base
            )

    async def _return(self, stored: StoredChange, by: str) -> None:
        await self._store.classes.undo(stored.change.id)
        await self._go_back(stored, by)
        self._publish(stored.change.model)

    async def _go_back(self, stored: StoredChange, by: str) -> None:
        """Let the version before a change go live again, if its own is live."""
        change = stored.change
        live = await asyncio.to_thread(self._live, change.model)
        if live is not None and live.number == change.version:
            because = f"The change of the class “{change.name}” was undone."
            await self._go_live(stored, stored.base_version, by, because)
        await self._store.classes.end(change.id, ChangeState.UNDONE)

    async def _go_live(
        self, stored: StoredChange, number: int | None, by: str, because: str
    ) -> None:
        """Promote a version, unless a person has promoted another than was live before."""
        model = stored.change.model
        live = await asyncio.to_thread(self._live, model)
        expected = (stored.base_version, stored.change.version)
        if number is None or live is None or live.number not in expected:
            return
        with contextlib.suppress(ModelError):  # it was removed meanwhile
            await asyncio.to_thread(self._repository.promote, model, number)
            try:
                await self._store.runs.record_decision(
                    model, number, Decision.PROMOTED, Rule.PERSON, by, because
                )
            except BackendError as error:
                _log.error("The promotion of version %s could not be recorded: %s", number, error)
            await asyncio.to_thread(prune, self._repository, model)

    def _remove_derived(self, stored: StoredChange) -> None:
        """Remove the version of a change that is not applied, if it was committed."""
        model = stored.change.model
        for version in self._repository.versions(model):
            with contextlib.suppress(ModelError):
                if version.card().training.get("class_change") == stored.change.id:
                    remove_version(self._repository, model, version.number)

    def _live(self, model: str) -> Version | None:
        try:
            return self._repository.live(model)
        except ModelError:
            return None

    async def _known(self, model: str) -> tuple[tuple[str, ...], dict[str, int]]:
        """Return the classes of the live version, and those of labels with their photos."""

        def read() -> tuple[str, ...]:
            version = self._live(model)
            return version.card().classes if version is not None else ()

        return await asyncio.to_thread(read), await self._store.classes.names(model)

    @asynccontextmanager
    async def _held(self, model: str) -> AsyncIterator[None]:
        """Let no training run of the model begin, once those have ended that did."""
        deadline = asyncio.get_running_loop().time() + self._wait_seconds
        while True:
            try:
                async with contextlib.AsyncExitStack() as stack:
                    await stack.enter_async_context(self._trainer.held(model, beside_tuning=True))
                    held = stack.pop_all()
                break
            except ModelBusy:
                if asyncio.get_running_loop().time() >= deadline:
                    raise
            await asyncio.sleep(_POLL_SECONDS)
        async with held:
            yield

    def _publish(self, model: str) -> None:
        for topic in ("models", "labels"):
            self._broker.publish(Event(topic, model))


def _found(name: str, model: str, live: tuple[str, ...], labelled: dict[str, int]) -> str:
    """Return how a class is spelled that there is; raises UnknownClass."""
    known = (*live, *labelled)
    if name in known:
        return name
    spelling = {each.casefold(): each for each in known}
    if name.casefold() in spelling:
        return spelling[name.casefold()]
    raise UnknownClass(
        f"The model {model} has no class {shortened(name, 100)}.",
        f"See those that it has: `servery classes list --model {model}`.",
    )
