"""A fleet: keeps as many instances ready as are desired, all serving the same models."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from serving.background import finish
from serving.engines.protocol import Engine, InstanceState, ReplicatedEngine
from serving.errors import EngineError, ModelError
from serving.fleet.attached import MAX_ATTACHED, checked_address
from serving.fleet.reconciler import Reconciler, wait_for_all
from serving.fleet.record import FleetRecord, InstanceLimits
from serving.fleet.view import FleetView, InstanceView
from serving.models.fleet_image import FleetImage
from serving.models.fleet_image_change import move_fleet_image, set_fleet_image
from serving.progress import Report, no_report

__all__ = ["Fleet", "FleetView", "InstanceView"]

OBSERVE_SECONDS = 3.0
"""How long a single observation waits for instances to answer."""


class Fleet(Reconciler):
    """All instances of a workspace, which serve the same models.

    The engine alone knows which instances exist and the record file alone how
    many there should be, so any number of programs may hold a Fleet of the same
    workspace. `client` gets the ready instances. Whatever changes the
    fleet changes the record and waits until the reconciler has converged to it.
    Belongs to one event loop.
    """

    @property
    def configured(self) -> bool:
        """Whether anybody has ever said how many instances there should be."""
        return self._record.exists()

    @property
    def limits(self) -> InstanceLimits:
        """What is set for every instance."""
        return self._record.read().limits

    def engine_of(self, instance_id: str) -> Engine:
        """Return the engine that runs an instance, for its log and its command."""
        return self._engines.engine_of(instance_id)

    async def observe(self) -> FleetView:
        """Observe once, changing nothing, and give the client the ready instances.

        Waits up to 3 s for instances to answer. Raises EngineError.
        """
        return await self._observe(OBSERVE_SECONDS, measure=True)

    async def scale(self, count: int, report: Report = no_report) -> FleetView:
        """Set how many instances there should be; return once they are ready and no others run.

        Returns early if somebody else sets another number meanwhile. Raises
        ModelError if the model has no live version, EngineError if an instance
        cannot be started or keeps ending; the number stays set then, and `run`
        goes on trying.
        """
        count = max(0, count)
        if count:
            await asyncio.to_thread(self._require_model)
        await self._change_record(lambda record: replace(record, desired_count=count, failures=()))

        def is_done(view: FleetView) -> bool:
            if view.desired_count != count:
                return True
            return view.ready == len(view.instances) == count

        def progress(first: FleetView, view: FleetView) -> tuple[int, int, str]:
            surplus = len(first.instances) - count
            if surplus > 0:
                stopped = len(first.instances) - len(view.instances)
                return max(0, stopped), surplus, f"Stopping {_instances(surplus)}."
            return view.ready, count, f"{view.ready} of {_instances(count)} ready."

        return await self._converge(is_done, progress, report)

    async def set_limits(self, limits: InstanceLimits) -> None:
        """Set the limits of every instance; `run` replaces one instance after the other.

        So does `wait_until_converged`. An image that holds a version of a model is run with no
        mount, if that version is what answers: it is the only one from then on. An engine
        that replaces instances by itself also goes on to an image of another version of the same
        model, which goes live by that; if its instances do not come up, all is as before. Raises
        EngineError if the file cannot be written, and ModelError if the image holds
        something else.
        """
        await self._set_image(limits.image)

        def change(record: FleetRecord) -> FleetRecord:
            # What an engine that replaces instances by itself goes back to if they do not come up.
            former = record.limits if self._service() is not None else None
            return replace(record, limits=limits, former_limits=former, applied="", failures=())

        await self._change_record(change)
        await self._retry_faults()

    async def _set_image(self, image: str) -> None:
        """Remember what an image holds, before any instance runs from it."""
        if not image and self._repository.fleet_image() is None:
            return
        found = None
        if image and (image != self.limits.image or self._repository.fleet_image() is not None):
            baked = await self._engines.current.baked_model(image)
            if baked is not None:
                found = FleetImage(image, baked.model, baked.version, baked.digest)
        # Instances of an engine that replaces them by itself may not see this machine's folder at
        # all, so that they go from one image to the next.
        replicates = isinstance(self._engines.current, ReplicatedEngine)
        change = move_fleet_image if replicates else set_fleet_image
        await finish(asyncio.to_thread(change, self._repository, found))

    async def attach(self, address: str) -> FleetView:
        """Use a server that somebody else runs, at `host:port`; returns how it is.

        It gets photos while it serves what is live here; see `FleetView.attached` for what keeps
        it from that. Raises EngineError if that is no address, or that of an instance.
        """
        address = checked_address(address)
        for each in await self._engines.instances():
            if address in (each.grpc_address, each.grpc_tcp_address):
                raise EngineError(
                    f"{address} is instance {each.id} of this fleet, which is used already.",
                    "Attach servers that somebody else runs.",
                )

        def with_address(record: FleetRecord) -> FleetRecord:
            attached = tuple(dict.fromkeys((*record.attached, address)))
            if len(attached) > MAX_ATTACHED:
                raise EngineError(
                    f"{MAX_ATTACHED} servers are attached already.", "Detach one of them first."
                )
            return replace(record, attached=attached)

        await self._change_record(with_address)
        return await self.observe()

    async def detach(self, address: str) -> FleetView:
        """No longer use a server that was attached; what it was sent, it still answers.

        Raises EngineError if it is not attached.
        """
        address = checked_address(address)
        if address not in self._record.read().attached:
            raise EngineError(
                f"{address} is not attached.", "`servery fleet status` lists what is."
            )
        await self._change_record(
            lambda record: replace(
                record, attached=tuple(each for each in record.attached if each != address)
            )
        )
        return await self.observe()

    async def wait_until_converged(self, report: Report = no_report) -> FleetView:
        """Return once there are as many ready instances as desired, all with the limits set.

        Raises EngineError if an instance cannot be started or keeps ending; those
        that were there before serve on then, and `run` goes on trying.
        """

        return await self._converge(
            lambda view: (
                self._up_to_date(view) == len(view.instances) == view.ready == view.desired_count
            ),
            lambda _, view: (
                self._up_to_date(view),
                view.desired_count,
                f"{self._up_to_date(view)} of {_instances(view.desired_count)} up to date.",
            ),
            report,
        )

    def has_outdated(self, view: FleetView) -> bool:
        """Whether instances run that have another spec than they should, and are to be replaced."""
        spec_hash = self._spec().hash
        return any(
            each.instance.spec_hash != spec_hash and each.state is not InstanceState.FAILED
            for each in view.instances
        )

    async def restart(self, instance_id: str) -> None:
        """Replace an instance by a new one; it serves until the new one is ready.

        Raises EngineError if there is no such instance or the new one ends.
        """
        await self._require(instance_id)
        await self._replace([instance_id], no_report)

    async def rolling_restart(self, report: Report = no_report) -> None:
        """Replace every instance by a new one, one after the other.

        Each serves until a new one is ready. If a new one ends, or the work is
        cancelled, those not yet replaced stay. Raises EngineError.
        """
        ids = [instance.id for instance in await self._engines.instances()]
        try:
            await self._replace(ids, report)
        except (EngineError, asyncio.CancelledError):
            await self._record.change(lambda record: record.without_retiring(*ids))
            raise

    async def remove(self, instance_id: str) -> None:
        """Remove a failed instance, whose log is kept; the desired number stays.

        Raises EngineError if there is no such instance.
        """
        await self._require(instance_id)
        async with self._changing():
            await self._retire(instance_id)

    async def stop_instance(self, instance_id: str) -> None:
        """Stop this instance after it answered what it was sent, and desire one fewer.

        Raises EngineError if there is no such instance.
        """
        await self._require(instance_id)
        async with self._changing():
            await self._change_record(
                lambda record: replace(record, desired_count=max(0, record.desired_count - 1))
            )
            await self._retire(instance_id)

    async def stop_and_remember(self) -> None:
        """Stop every instance but remember how many are desired, for the next `run`.

        A `run` that still goes on, here or in another program, starts them again.
        """
        async with self._changing():
            instances = await self._engines.instances()
            await wait_for_all(self._retire(instance.id) for instance in instances)

    async def _replace(self, ids: Sequence[str], report: Report) -> None:
        await self._change_record(
            lambda record: replace(record, retiring=(*record.retiring, *ids), failures=())
        )

        def remaining(view: FleetView) -> int:
            return sum(each.instance.id in ids for each in view.instances)

        def progress(_: FleetView, view: FleetView) -> tuple[int, int, str]:
            replaced = len(ids) - remaining(view)
            return replaced, len(ids), f"{replaced} of {_instances(len(ids))} replaced."

        await self._converge(lambda view: not remaining(view), progress, report)

    def _up_to_date(self, view: FleetView) -> int:
        """Return how many instances have the spec that they should have."""
        spec_hash = self._spec().hash
        return sum(each.instance.spec_hash == spec_hash for each in view.instances)

    def _require_model(self) -> None:
        """Raise ModelError if no model can be served."""
        current = self._repository.served().current
        if not current:
            raise ModelError(
                "There is no model to serve.",
                "Make one on the Models page, or add one with `servery models add`.",
            )
        self._repository.live(current)

    async def _require(self, instance_id: str) -> None:
        instances = await self._engines.instances()
        if all(instance.id != instance_id for instance in instances):
            raise EngineError(
                f"There is no instance {instance_id}.", "Look at the list of instances."
            )


def _instances(count: int) -> str:
    return "1 instance" if count == 1 else f"{count} instances"
