"""The Fleet page on a real (offscreen) screen, fed with real views."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from PySide6.QtCore import QModelIndex, QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QSignalSpy, QTest
from PySide6.QtWidgets import QApplication, QMenu, QStackedWidget, QWidget

from desktop.fleet.attach_dialog import AttachDialog
from desktop.fleet.instance_count import MAX_INSTANCES
from desktop.fleet.instance_table_model import COLUMNS, NODE, PORT
from desktop.fleet.metric_history import UNKNOWN
from desktop.fleet.page import FleetPage
from serving.engines.protocol import InstanceState
from serving.fleet.view import InstanceView
from serving.models.faults import VersionFault
from serving.models.served import ServedModels
from tests.gui.conftest import show
from tests.support.fleet_views import REASON, fleet_view, instance_view
from tests.support.waiting import TIMEOUT_SECONDS

SHORT = "Instances run as processes."
STARTING, FAILED = InstanceState.STARTING, InstanceState.FAILED


@pytest.fixture
def page(application: QApplication) -> FleetPage:
    return show(FleetPage(), 1100, 760)


def texts(page: FleetPage, row: int) -> list[str]:
    """What a row shows; engines of one machine have no nodes."""
    model = page.table.model()
    shown = (index for index in range(len(COLUMNS)) if not page.table.isColumnHidden(index))
    return [model.index(row, index).data() for index in shown]


def test_nothing_is_offered_before_the_fleet_is_known(page: FleetPage) -> None:
    assert page.state.text() == "Looking for instances."
    assert page.ready_mark.text == "Ready"
    assert not page.empty.isVisible()
    for control in (page.count, page.attach, page.limits, page.engine, page.stack):
        assert not control.isEnabled()
    page.show_unavailable("The disk refuses the folder of models. Free some space.")
    assert page.state.text().startswith("The disk refuses")
    page.show_view(fleet_view())
    assert page.empty.isVisible()
    assert all(each.isEnabled() for each in (page.count, page.engine, page.stack))


def test_an_empty_fleet_invites_to_start_one(page: FleetPage) -> None:
    page.show_view(fleet_view())
    assert page.empty.isVisible()
    assert page.header.sentence.text() == SHORT
    assert not page.stop_all.isEnabled()
    requested = QSignalSpy(page.scale_requested)
    page.empty.button.click()
    assert requested.at(0) == [2]


def test_what_instances_run_on_is_shown_in_full_on_demand(page: FleetPage) -> None:
    page.show_view(fleet_view())
    assert not page.reason.isVisible()
    page.why.setFocus()
    QTest.keyClick(page.why, Qt.Key.Key_Space)
    assert page.reason.isVisible()
    assert page.reason.text() == REASON
    QTest.mouseClick(page.why, Qt.MouseButton.LeftButton)
    assert not page.reason.isVisible()


def test_what_is_wrong_with_the_engine_is_shown_in_full_unasked(page: FleetPage) -> None:
    sentence = "No container engine answers at /run/docker.sock. Start it."
    page.show_view(replace(fleet_view(), engine_reason=sentence, engine_usable=False))
    assert page.reason.isVisible()
    assert page.reason.text() == sentence
    assert page.reason.property("role") == "error"
    page.show_view(fleet_view())
    assert not page.reason.isVisible()


@pytest.mark.parametrize("width", [660, 1100])
def test_what_is_served_is_not_cut(page: FleetPage, width: int) -> None:
    page.resize(width, 560)
    mixed = (instance_view(1), instance_view(2, STARTING), instance_view(3, FAILED))
    view = fleet_view(*mixed)
    served = ServedModels("efficientnet-lite0-of-the-garden", ("birds",))
    renamed = replace(instance_view(1, model=served.current), model=served.current)
    page.show_view(replace(view, served=served, instances=(renamed, *mixed[1:])))
    QApplication.processEvents()
    assert "Serving efficientnet-lite0-of-the-garden v3 and 1 other." in page.state.text()
    assert page.state.height() >= page.state.heightForWidth(page.state.width())
    for badge in (page.badges[STARTING], page.badges[FAILED], page.ready_mark):
        assert badge.width() >= badge.sizeHint().width()


def test_a_row_tells_everything_about_an_instance(page: FleetPage) -> None:
    page.show_view(fleet_view(instance_view(1, requests=1234, rate=38.0)))
    row = texts(page, 0)
    assert row[0] == "Ready"
    assert row[1:4] == ["instance-000001", "v3", "40001"]
    assert row[5:] == ["12%", "412 MB", "1,234", "38/s", "22 ms"]
    assert page.ready_figure.text() == "1"
    assert page.state.text() == "The only instance is ready. Serving pets v3."


def test_the_node_of_an_instance_is_shown_once_an_engine_has_several(page: FleetPage) -> None:
    here, there = instance_view(1), instance_view(2)
    page.show_view(fleet_view(here, there))
    assert page.table.isColumnHidden(NODE)
    nodes = [
        replace(each, instance=replace(each.instance, node=name))
        for each, name in ((here, "attic"), (there, "cellar"))
    ]
    page.show_view(replace(fleet_view(*nodes), update="New instances did not come up."))
    assert not page.table.isColumnHidden(NODE)
    assert [texts(page, row)[2] for row in (0, 1)] == ["attic", "cellar"]
    assert page.header.sentence.text() == f"{SHORT} New instances did not come up."
    page.show_view(fleet_view(here, there))
    assert page.table.isColumnHidden(NODE)


def test_ready_is_the_only_state_counted_as_ready(page: FleetPage) -> None:
    page.show_view(
        fleet_view(instance_view(1), instance_view(2, STARTING), instance_view(3, FAILED))
    )
    assert page.count.number.value() == 3
    assert page.ready_figure.text() == "1"
    assert page.badges[STARTING].text == "1 starting"
    assert page.badges[FAILED].text == "1 failed"
    assert page.badges[STARTING].isVisible()
    assert not page.badges[InstanceState.DRAINING].isVisible()


def test_the_first_instance_is_selected_and_stays_so_while_others_come_and_go(
    page: FleetPage,
) -> None:
    page.show_view(fleet_view(instance_view(2), instance_view(3)))
    assert page.table.selected_id == "instance-000002"
    page.table.select("instance-000003")
    page.show_view(fleet_view(instance_view(1), instance_view(3), instance_view(4)))
    assert page.table.selected_id == "instance-000003"
    assert [texts(page, row)[1][-1] for row in range(3)] == ["1", "3", "4"]
    assert page.detail.name.text() == "instance-000003"


def test_only_cells_that_changed_are_drawn_again(page: FleetPage) -> None:
    page.show_view(fleet_view(instance_view(1, requests=1), instance_view(2, requests=1)))
    model = page.table.model()
    resets, changes = QSignalSpy(model.modelReset), QSignalSpy(model.dataChanged)
    page.show_view(fleet_view(instance_view(1, requests=2), instance_view(2, requests=1)))
    charted = [index for index, column in enumerate(COLUMNS) if column.metric]
    changed = []
    for number in range(changes.count()):
        first, last, _roles = changes.at(number)
        assert isinstance(first, QModelIndex)
        assert first == last
        changed.append((first.row(), first.column()))
    requests = next(i for i, column in enumerate(COLUMNS) if column.title == "Requests")
    assert set(changed) == {(0, requests)} | {(row, c) for row in (0, 1) for c in charted}
    assert resets.count() == 0


def test_a_failed_instance_says_why_above_its_log(page: FleetPage) -> None:
    page.show_view(fleet_view(instance_view(1, FAILED, failure="It was killed.")))
    page.detail.log.show_latest("instance-000001", ["loading", "out of memory"])
    assert page.detail.problem.isVisible()
    assert page.detail.problem.text() == "It was killed."
    assert page.detail.log.text.toPlainText() == "loading\nout of memory"


def test_typing_a_count_and_pressing_enter_requests_it_once(page: FleetPage) -> None:
    page.show_view(fleet_view(instance_view(1)))
    requested = QSignalSpy(page.scale_requested)
    page.count.number.setFocus()
    page.count.number.selectAll()
    QTest.keyClicks(page.count.number, "12")
    assert requested.count() == 0
    QTest.keyClick(page.count.number, Qt.Key.Key_Return)
    assert [requested.at(i) for i in range(requested.count())] == [[12]]


def test_a_number_that_is_being_typed_is_not_overwritten(page: FleetPage) -> None:
    page.show_view(fleet_view(instance_view(1)))
    page.count.number.setFocus()
    page.count.number.selectAll()
    QTest.keyClicks(page.count.number, "7")
    page.show_view(fleet_view(instance_view(1)))
    assert page.count.number.text() == "7"
    QTest.keyClick(page.count.number, Qt.Key.Key_Escape)
    assert page.count.number.text() == "1"


def test_several_presses_of_plus_become_one_request(page: FleetPage) -> None:
    page.show_view(fleet_view(instance_view(1)))
    requested = QSignalSpy(page.scale_requested)
    for _ in range(3):
        page.count.more.click()
    page.show_view(fleet_view(instance_view(1)))
    assert page.count.number.value() == 4
    assert requested.wait(round(1000 * TIMEOUT_SECONDS))
    assert [requested.at(i) for i in range(requested.count())] == [[4]]


@pytest.mark.parametrize(
    ("desired_count", "fewer", "more"), [(0, False, True), (MAX_INSTANCES, True, False)]
)
def test_the_count_stays_between_none_and_sixteen(
    page: FleetPage, desired_count: int, fewer: bool, more: bool
) -> None:
    page.show_view(fleet_view(desired_count=desired_count))
    assert page.count.fewer.isEnabled() is fewer
    assert page.count.more.isEnabled() is more


def test_stop_and_restart_name_the_selected_instance(page: FleetPage) -> None:
    page.show_view(fleet_view(instance_view(1), instance_view(2)))
    page.table.select("instance-000002")
    stopped, restarted = (
        QSignalSpy(page.detail.stop_requested),
        QSignalSpy(page.detail.restart_requested),
    )
    page.detail.stop.click()
    page.detail.restart.click()
    assert [stopped.at(0), restarted.at(0)] == [["instance-000002"], ["instance-000002"]]


def test_the_menu_of_a_row_does_the_same(page: FleetPage) -> None:
    page.show_view(fleet_view(instance_view(1)))
    stopped = QSignalSpy(page.detail.stop_requested)
    page.table.menu_requested.emit(QPoint(0, 0))
    (menu,) = (menu for menu in page.findChildren(QMenu) if menu.parent() is page)
    entries = {action.text(): action for action in menu.actions() if action.text()}
    assert list(entries) == [
        "Restart",
        "Stop",
        "Copy the command",
        "Copy gRPC address",
        "Copy REST address",
        "Copy id",
    ]
    entries["Stop"].trigger()
    entries["Copy REST address"].trigger()
    menu.close()
    assert stopped.at(0) == ["instance-000001"]
    assert QGuiApplication.clipboard().text() == "127.0.0.1:50001"


def test_a_click_on_a_port_copies_it(page: FleetPage) -> None:
    page.show_view(fleet_view(instance_view(1)))
    cell = page.table.visualRect(page.table.model().index(0, PORT)).center()
    QTest.mouseClick(page.table.viewport(), Qt.MouseButton.LeftButton, pos=cell)
    assert QGuiApplication.clipboard().text() == "40001"


def test_charts_say_in_words_what_they_draw(page: FleetPage) -> None:
    page.show_view(fleet_view(instance_view(1, cpu=5.0)))
    page.show_view(fleet_view(instance_view(1, cpu=80.0)))
    facts = [chart.facts for chart in page.detail.activity.charts.values()]
    assert facts[0].startswith("CPU: 80%, between 5% and 80% in the last")
    cpu = next(i for i, column in enumerate(COLUMNS) if column.title == "CPU")
    cell = page.table.model().index(0, cpu)
    assert cell.data(Qt.ItemDataRole.AccessibleTextRole) == facts[0]


def test_every_control_has_a_name_and_takes_the_keyboard(page: FleetPage) -> None:
    page.show_view(fleet_view(instance_view(1)))
    controls = [
        page.count.number,
        page.count.fewer,
        page.count.more,
        page.stop_all,
        page.table,
        page.detail.grpc,
        page.detail.rest,
        page.detail.restart,
        page.detail.stop,
        page.detail.log.search,
        page.detail.log.follow,
        page.detail.log.save,
        page.detail.log.text,
    ]
    for control in controls:
        named: Callable[[], str] = getattr(control, "text", lambda: "")
        name = control.accessibleName() or named()
        assert name, control
        assert control.focusPolicy() & Qt.FocusPolicy.TabFocus, name


def test_a_column_grows_with_its_text(page: FleetPage) -> None:
    page.show_view(fleet_view(instance_view(1, requests=1)))
    requests = next(i for i, column in enumerate(COLUMNS) if column.title == "Requests")
    before = page.table.columnWidth(requests)
    page.show_view(fleet_view(instance_view(1, requests=10**14)))
    assert page.table.columnWidth(requests) > before


@pytest.mark.parametrize("width", [700, 820, 1400])
def test_columns_fit_the_window(page: FleetPage, width: int) -> None:
    page.resize(width, 600)
    page.show_view(fleet_view(*(instance_view(n, requests=1000) for n in range(1, 17))))
    QApplication.processEvents()
    assert page.table.model().rowCount() == MAX_INSTANCES
    assert not page.table.horizontalScrollBar().isVisible()


def test_the_table_gets_the_height_of_its_rows_on_a_page_that_is_shown_later(
    application: QApplication,
) -> None:
    window, page = QStackedWidget(), FleetPage()
    window.addWidget(QWidget())
    window.addWidget(page)
    window.resize(1100, 900)
    window.show()
    page.show_view(fleet_view(*(instance_view(n) for n in range(1, 9))))
    window.setCurrentWidget(page)
    QApplication.processEvents()
    assert page.table.height() >= page.table.full_height


def test_the_selected_row_stays_in_view_in_a_low_window(page: FleetPage) -> None:
    page.show_view(fleet_view(*(instance_view(n) for n in range(1, 9))))
    page.table.select("instance-000008")
    page.setMinimumSize(1, 1)  # as the main window does, whatever its pages need
    page.resize(680, 484)
    QApplication.processEvents()
    row = page.table.visualRect(page.table.currentIndex())
    assert 0 <= row.top() < row.bottom() <= page.table.viewport().height()


def test_a_live_version_that_cannot_be_served_is_shown_above_the_instances(
    page: FleetPage,
) -> None:
    view = fleet_view(instance_view(1))
    fault = VersionFault("Version 4 of pets cannot be served. It is bad.", "Promote another.")
    page.show_view(replace(view, faults={"pets": fault}))
    assert page.fault_banner.isVisible()
    assert page.fault.text() == f"{fault.what} Version 3 answers. {fault.advice}"
    requested = QSignalSpy(page.versions_requested)
    page.versions.click()
    assert requested.at(0) == ["pets"]
    page.show_view(view)
    assert not page.fault_banner.isVisible()


def test_an_instance_without_a_port_shows_its_socket_and_copies_the_address(
    page: FleetPage,
) -> None:
    address = "unix:/home/me/servery/run/sockets/instance-000001.grpc"
    each = instance_view(1)
    instance = replace(each.instance, grpc_address=address, rest_address="unix:/r")
    page.show_view(fleet_view(replace(each, instance=instance)))
    assert texts(page, 0)[3] == "socket"
    index = page.table.model().index(0, PORT)
    # A long word may be broken.
    assert address in index.data(Qt.ItemDataRole.ToolTipRole).replace("\u200b", "")
    page.table.clicked.emit(index)
    assert QGuiApplication.clipboard().text() == address
    assert page.detail.grpc.text() == page.detail.rest.text() == "socket"
    page.detail.rest.click()
    assert QGuiApplication.clipboard().text() == "unix:/r"


def test_an_instance_on_tcp_shows_the_port_for_others(page: FleetPage) -> None:
    each = instance_view(1)
    instance = replace(each.instance, grpc_address="unix:/g", grpc_tcp_address="127.0.0.1:40001")
    page.show_view(fleet_view(replace(each, instance=instance)))
    assert texts(page, 0)[3] == "40001"
    assert page.detail.grpc.text() == "127.0.0.1:40001"


def attached(state: InstanceState = InstanceState.READY, failure: str = "") -> InstanceView:
    """Return a server that somebody else runs."""
    each = instance_view(9, state, failure=failure)
    instance = replace(
        each.instance,
        id="10.0.0.5:8500",
        engine="external",
        grpc_address="10.0.0.5:8500",
        rest_address=None,
        started=0.0,
        process=None,
    )
    return replace(each, instance=instance, stats=None)


def test_an_attached_server_is_a_row_that_can_only_be_detached(page: FleetPage) -> None:
    page.show_view(replace(fleet_view(), attached=(attached(),)))
    assert texts(page, 0)[:5] == ["Ready", "10.0.0.5:8500", "v3", "8500", UNKNOWN]
    assert not page.empty.isVisible()
    assert page.ready_figure.text() == "0"
    assert page.state.text() == (
        "Attached servers answer; none of your own is running. Serving pets v3."
    )
    detail = page.detail
    assert not detail.restart.isEnabled()
    assert not detail.command.isEnabled()
    assert detail.stop.text() == "Detach"
    assert detail.log.text.placeholderText() == "Its log is kept where it runs."
    detached, stopped = QSignalSpy(detail.detach_requested), QSignalSpy(detail.stop_requested)
    detail.stop.click()
    assert detached.at(0) == ["10.0.0.5:8500"]
    assert stopped.count() == 0


def test_an_attached_server_that_gets_no_photos_says_why(page: FleetPage) -> None:
    server = attached(FAILED, "Nothing answers at 10.0.0.5:8500.")
    page.show_view(replace(fleet_view(instance_view(1)), attached=(server,)))
    assert [texts(page, row)[1] for row in (0, 1)] == ["instance-000001", "10.0.0.5:8500"]
    page.table.selectRow(1)
    sentence = "It gets no photos: Nothing answers at 10.0.0.5:8500."
    assert page.detail.problem.text() == sentence
    assert page.detail.stop.text() == "Detach"
    assert page.state.text() == "The only instance is ready. Serving pets v3."


def test_an_address_is_asked_for_and_checked(page: FleetPage) -> None:
    page.show_view(fleet_view())
    requested = QSignalSpy(page.attach_requested)
    page.attach.click()
    (dialog,) = page.findChildren(AttachDialog)
    assert not dialog.apply.isEnabled()
    QTest.keyClicks(dialog.address, "http://10.0.0.5")
    QTest.keyClick(dialog.address, Qt.Key.Key_Return)
    assert dialog.problem.text().endswith("such as 10.0.0.5:8500.")
    assert requested.count() == 0
    dialog.address.clear()
    QTest.keyClicks(dialog.address, "10.0.0.5:8500")
    assert not dialog.problem.isVisible()
    QTest.keyClick(dialog.address, Qt.Key.Key_Return)
    assert requested.at(0) == ["10.0.0.5:8500"]
