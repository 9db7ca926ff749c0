"""Every dialog of the window, made with a name in each text that can have one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QDialog, QWidget

from backend.contract import BaseImage, ImageSettings
from desktop.fleet.attach_dialog import AttachDialog
from desktop.fleet.engine_dialog import EngineDialog
from desktop.fleet.limits_dialog import LimitsDialog
from desktop.fleet.nodes_dialog import NodesDialog
from desktop.fleet.stack_dialog import StackDialog
from desktop.models.importing.catalogue import CatalogueItem
from desktop.models.importing.catalogue_dialog import CatalogueDialog
from desktop.models.importing.draft import ImportDraft
from desktop.models.importing.import_dialog import ImportDialog
from desktop.models.page import ModelsPage
from desktop.versions.export_dialog import ExportDialog
from desktop.versions.image_dialog import ImageDialog
from desktop.widgets.dialogs import FileDialog, TextDialog
from serving.engines.engine_address import EngineAddress
from serving.engines.swarm.membership import Membership, Node, NodeAvailability, SwarmState
from serving.fleet.record import InstanceLimits
from tests.support.fake_model_files import catalogue_entry, inspection
from tests.support.screens import SCREENS


def node(name: str) -> Node:
    return Node(
        id="a1",
        name=name,
        manager=True,
        leader=True,
        state="ready",
        availability=NodeAvailability.ACTIVE,
        address="192.0.2.1",
        cores=8,
        memory=32 * 10**9,
        engine_version="28.2.2",
        here=True,
        tasks=2,
    )


def nodes_outside(name: str, owner: QWidget) -> QDialog:
    dialog = NodesDialog(owner)
    dialog.show_membership(Membership(SwarmState.NONE), [])
    dialog.set_addresses(["192.0.2.1"])
    return dialog


def nodes_of_swarm(name: str, owner: QWidget) -> QDialog:
    dialog = NodesDialog(owner)
    membership = Membership(SwarmState.MANAGER, "a1", "192.0.2.1", managers=1, nodes=2)
    dialog.show_membership(membership, [node(name)])
    return dialog


def stack(name: str, owner: QWidget) -> QDialog:
    return StackDialog([f"{name}:3"], 2, owner)


def engine(name: str, owner: QWidget) -> QDialog:
    address = EngineAddress(url="tcp://192.0.2.1:2376")
    dialog = EngineDialog(address, [(name, "ssh://user@host")], parent=owner)
    dialog.show_problem(f"Nothing answers at {name}. Start it there.", answers_later=True)
    return dialog


def limits(name: str, owner: QWidget) -> QDialog:
    return LimitsDialog(
        InstanceLimits(),
        in_containers=True,
        images=[f"{name}:1"],
        cores=4,
        memory=8 * 10**9,
        parent=owner,
    )


def attach(name: str, owner: QWidget) -> QDialog:
    dialog = AttachDialog(owner)
    dialog.address.setText("nowhere")
    return dialog


def export(name: str, owner: QWidget) -> QDialog:
    return ExportDialog(name, 3, owner)


def image(name: str, owner: QWidget) -> QDialog:
    return ImageDialog(name, 3, ImageSettings(), [BaseImage("own:1", 12 * 10**8)], owner)


def catalogue(name: str, owner: QWidget) -> QDialog:
    dialog = CatalogueDialog(owner)
    dialog.show_items([CatalogueItem(catalogue_entry(), problem=name, advice="Try again.")])
    return dialog


def import_model(name: str, owner: QWidget) -> QDialog:
    page = ModelsPage()
    page.setParent(owner)
    draft = ImportDraft(Path("/nowhere") / f"{name}.keras", inspection())
    return ImportDialog(draft, [], page.pictures, owner)


def text(name: str, owner: QWidget) -> QDialog:
    return TextDialog(owner, "Pull an image", "Name of an image")


def file(name: str, owner: QWidget) -> QDialog:
    return FileDialog(owner, "Open photos")


def _of_screen(screen: str) -> Callable[[str, QWidget], QDialog]:
    def make(name: str, owner: QWidget) -> QDialog:
        dialog = SCREENS[screen](name)
        assert isinstance(dialog, QDialog)
        return dialog

    return make


DIALOGS: dict[str, Callable[[str, QWidget], QDialog]] = {
    **{
        made.__name__: made
        for made in (
            *(nodes_outside, nodes_of_swarm, stack, engine, limits, attach),
            *(export, image, catalogue, import_model, text, file),
        )
    },
    **{
        screen: _of_screen(screen)
        for screen in ("folder_sheet", "new_dialog", "rename_dialog", "question")
    },
}
