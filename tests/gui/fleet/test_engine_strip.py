"""The suggestions about the engine, and the limits that can be set."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from PySide6.QtTest import QSignalSpy, QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QInputDialog

from desktop.fleet.engine_strip import EngineStrip
from desktop.fleet.engines import EngineAction, EngineSuggestion
from desktop.fleet.limits_dialog import MIN_MEMORY, LimitsDialog
from desktop.jobs import Jobs
from serving.engines.docker.image.constants import OFFICIAL_IMAGE
from serving.fleet.record import InstanceLimits
from serving.progress import Report
from tests.gui.conftest import Run
from tests.support.waiting import wait_until

GET_IMAGE = EngineSuggestion(EngineAction.GET_IMAGE, "Containers need an image", "There is none.")
MOVE = EngineSuggestion(EngineAction.MOVE, "Instances can run in containers", "One by one.")


@pytest.fixture
def strip(application: QApplication) -> EngineStrip:
    made = EngineStrip()
    made.resize(1000, 80)
    return made


def shown(strip: EngineStrip) -> list[str]:
    buttons = (
        strip.pull,
        strip.load,
        strip.build,
        strip.move_instances,
        strip.cancel,
        strip.later,
    )
    return [button.text() for button in buttons if button.isVisibleTo(strip)]


def test_without_a_suggestion_the_strip_is_hidden(strip: EngineStrip) -> None:
    assert strip.isHidden()
    strip.show_suggestion(GET_IMAGE)
    assert not strip.isHidden()
    strip.show_suggestion(None)
    assert strip.isHidden()


def test_each_action_has_its_buttons(strip: EngineStrip) -> None:
    strip.show_suggestion(GET_IMAGE)
    assert shown(strip) == [
        "Pull TensorFlow Serving",
        "Load from a file…",
        "Build our own",
        "Not now",
    ]
    pulled = QSignalSpy(strip.pull_requested)
    strip.pull.click()
    assert pulled.at(0) == [OFFICIAL_IMAGE]
    strip.show_suggestion(MOVE)
    assert shown(strip) == ["Move them", "Not now"]
    assert strip.heading.text() == MOVE.heading


def test_a_dismissed_action_is_not_suggested_again_but_another_one_is(strip: EngineStrip) -> None:
    strip.show_suggestion(GET_IMAGE)
    requested = QSignalSpy(strip.dismiss_requested)
    strip.later.click()
    assert requested.at(0) == ["get an image"]
    assert strip.isHidden()
    strip.show_suggestion(
        EngineSuggestion(EngineAction.GET_IMAGE, "Containers need an image", "Another sentence.")
    )
    assert strip.isHidden()
    strip.show_suggestion(MOVE)
    assert not strip.isHidden()


def test_another_image_is_pulled_by_its_name_and_one_is_loaded_from_a_file(
    strip: EngineStrip, tmp_path: Path
) -> None:
    pulled, loaded = QSignalSpy(strip.pull_requested), QSignalSpy(strip.load_requested)
    strip.open_name_dialog()
    name_dialog = strip.findChild(QInputDialog)
    assert name_dialog is not None
    assert name_dialog.textValue() == OFFICIAL_IMAGE
    name_dialog.setTextValue("  registry.example/serving:3 ")
    name_dialog.accept()
    assert pulled.at(0) == ["registry.example/serving:3"]
    archive = tmp_path / "image.tar"
    archive.touch()
    strip.open_file_dialog()
    dialog = strip.findChild(QFileDialog)
    assert dialog is not None
    dialog.fileSelected.emit(str(archive))
    dialog.reject()
    assert loaded.at(0) == [archive]


def test_work_is_shown_with_its_bar_and_can_be_cancelled(run: Run, strip: EngineStrip) -> None:
    async def scenario() -> None:
        jobs = Jobs()

        async def work(report: Report) -> None:
            report(40, 100, "12 MB of 30 MB, 4 MB/s, 5 s left")
            await asyncio.sleep(60)

        job = jobs.start("Pull an image", work)
        await asyncio.sleep(0)
        strip.show_suggestion(MOVE)
        strip.show_job(job)
        assert shown(strip) == ["Cancel"]
        assert (strip.bar.value(), strip.bar.maximum()) == (40, 100)
        assert strip.sentence.text() == "12 MB of 30 MB, 4 MB/s, 5 s left"
        strip.cancel.click()
        await wait_until(lambda: not job.running)
        strip.show_job(None)
        assert shown(strip) == ["Move them", "Not now"]
        await jobs.close()

    run(scenario)


def test_limits_are_requested_only_if_they_differ(application: QApplication) -> None:
    before = InstanceLimits(memory_limit=500_000_000, cpu_limit=1.5, image="pets/server:2")
    dialog = LimitsDialog(before, in_containers=True, images=["a:1"], cores=4, memory=8_000_000_000)
    requested = QSignalSpy(dialog.limits_requested)
    assert dialog.selected_limits() == before
    dialog.apply.click()
    assert requested.count() == 0


def test_limits_are_typed_and_no_server_gets_less_memory_than_it_starts_with(
    application: QApplication,
) -> None:
    dialog = LimitsDialog(
        InstanceLimits(), in_containers=True, images=["a:1"], cores=4, memory=8_000_000_000
    )
    dialog.show()
    requested = QSignalSpy(dialog.limits_requested)
    dialog.memory.selectAll()
    QTest.keyClicks(dialog.memory, "5")
    dialog.cpu.setValue(0.5)
    dialog.image.setCurrentText("a:1")
    assert dialog.apply.isDefault()
    dialog.apply.click()
    assert requested.at(0) == [
        InstanceLimits(memory_limit=MIN_MEMORY * 10**6, cpu_limit=0.5, image="a:1")
    ]


def test_processes_have_memory_and_threads_to_limit_but_no_image(application: QApplication) -> None:
    before = InstanceLimits(memory_limit=500_000_000)
    dialog = LimitsDialog(before, in_containers=False, cores=4)
    dialog.show()
    assert dialog.memory.isVisible()
    assert not dialog.image.isVisible()
    assert not dialog.cpu.isVisible()
    dialog.threads.setValue(2)
    assert dialog.selected_limits() == InstanceLimits(threads=2, memory_limit=500_000_000)


def test_tcp_is_off_until_a_person_sets_it_and_says_what_it_means(
    application: QApplication,
) -> None:
    dialog = LimitsDialog(InstanceLimits(), in_containers=False, cores=4)
    dialog.show()
    assert dialog.tcp.isVisible()
    assert "every user and every program of this machine" in dialog.tcp_meaning.text()
    requested = QSignalSpy(dialog.limits_requested)
    assert not dialog.tcp.isChecked()
    dialog.tcp.click()
    dialog.apply.click()
    assert requested.at(0) == [InstanceLimits(tcp=True)]


def test_containers_have_no_such_choice(application: QApplication) -> None:
    dialog = LimitsDialog(InstanceLimits(tcp=True), in_containers=True, cores=4)
    dialog.show()
    assert not dialog.tcp.isVisible()
    # What is set for processes stays as it is.
    assert dialog.selected_limits().tcp
    dialog.close()


def test_the_defaults_of_containers_are_shown_and_can_be_raised(application: QApplication) -> None:
    dialog = LimitsDialog(
        InstanceLimits(),
        in_containers=True,
        cores=4,
        memory=64 * 10**9,
        default_memory=8 * 10**9,
        default_pids=640,
    )
    dialog.show()
    assert dialog.memory.text() == "Automatic (8.0 GB)"
    assert dialog.pids.text() == "Automatic (640)"
    requested = QSignalSpy(dialog.limits_requested)
    dialog.memory.setValue(16_000)
    dialog.pids.setValue(2000)
    dialog.apply.click()
    assert requested.at(0) == [InstanceLimits(memory_limit=16 * 10**9, pids_limit=2000)]


def test_when_processes_give_their_memory_back_is_set_in_minutes(
    application: QApplication,
) -> None:
    dialog = LimitsDialog(InstanceLimits(), in_containers=False, cores=4)
    dialog.show()
    assert dialog.sleep.isVisible()
    assert dialog.sleep.text() == "10 min without a photo"
    dialog.sleep.setValue(0)
    assert dialog.sleep.text() == "Never"
    assert dialog.selected_limits() == InstanceLimits(sleep_after=0)
    by_hand = InstanceLimits(sleep_after=90)
    assert LimitsDialog(by_hand, in_containers=False).selected_limits() == by_hand
    assert not LimitsDialog(by_hand, in_containers=True).sleep.isVisible()
