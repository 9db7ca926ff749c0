"""The choice of the container engine."""

from __future__ import annotations

from PySide6.QtTest import QSignalSpy
from PySide6.QtWidgets import QApplication

from desktop.fleet.engine_dialog import EngineDialog
from serving.engines.engine_address import EngineAddress

CONTEXTS = [("workshop", "ssh://ada@workshop"), ("rack", "tcp://192.0.2.1:2376")]


def test_the_dialog_returns_the_chosen_engine(application: QApplication) -> None:
    dialog = EngineDialog(EngineAddress(), CONTEXTS)
    requested = QSignalSpy(dialog.address_requested)
    assert dialog.selected_address().automatic
    dialog.choice.setCurrentIndex(1)
    dialog.connect_button.click()
    assert requested.at(0) == [EngineAddress(context="workshop"), False]
    dialog.choice.setCurrentIndex(dialog.choice.count() - 1)
    assert not dialog.connect_button.isEnabled()
    dialog.url.setText("tcp://192.0.2.1:2376")
    dialog.certificates.setText("/certificates")
    assert dialog.certificates.isVisibleTo(dialog)
    address = EngineAddress(url="tcp://192.0.2.1:2376", certificates="/certificates")
    assert dialog.selected_address() == address
    dialog.url.setText("ssh://ada@rack")
    assert not dialog.certificates.isVisibleTo(dialog)
    assert dialog.selected_address() == EngineAddress(url="ssh://ada@rack")


def test_what_was_chosen_is_shown_also_if_docker_has_forgotten_its_context(
    application: QApplication,
) -> None:
    for address in (
        EngineAddress(context="rack"),
        EngineAddress(context="gone"),
        EngineAddress(url="tcp://192.0.2.1:2376", certificates="/certificates"),
    ):
        assert EngineDialog(address, CONTEXTS).selected_address() == address


def test_an_engine_that_does_not_answer_can_be_used_all_the_same(
    application: QApplication,
) -> None:
    dialog = EngineDialog(EngineAddress(context="workshop"), CONTEXTS)
    requested = QSignalSpy(dialog.address_requested)
    assert not dialog.use_anyway.isVisibleTo(dialog)
    dialog.show_problem("It does not answer.", answers_later=True)
    dialog.use_anyway.click()
    assert requested.at(0) == [EngineAddress(context="workshop"), True]
    dialog.show_problem("It does not answer.", answers_later=True)
    dialog.choice.setCurrentIndex(0)  # another one, of which nothing is known
    assert not dialog.use_anyway.isVisibleTo(dialog)
    assert not dialog.problem.isVisibleTo(dialog)
    dialog.show_problem("That is no address.", answers_later=False)
    assert not dialog.use_anyway.isVisibleTo(dialog)


def test_a_variable_leaves_no_choice(application: QApplication) -> None:
    dialog = EngineDialog(EngineAddress(), CONTEXTS, "DOCKER_HOST")
    assert "DOCKER_HOST names the engine" in dialog.variable.text()
    assert not dialog.choice.isEnabled()
    assert not dialog.connect_button.isEnabled()
