"""Which answer a photo shows, and what happens while there is none."""

from __future__ import annotations

import asyncio
from pathlib import Path

from serving.models.card import ModelCard
from tests.gui.classify.classify_env import NOBODY, ClassifyEnv, with_classify_env
from tests.gui.conftest import Run
from tests.support.drag_and_drop import drop_files
from tests.support.predictions import MODEL
from tests.support.waiting import wait_until


def test_photos_wait_as_queued_until_they_are_answered(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        env.model.released.clear()
        drop_files(env.page, album)
        await wait_until(lambda: env.model.request_count == len(album))
        assert all(env.state(path) == "queued" for path in album)
        env.model.released.set()
        await wait_until(lambda: all(env.state(path) == "answered" for path in album))

    run(lambda: with_classify_env(tmp_path, scenario))


def test_a_cancelled_job_leaves_no_photo_waiting_for_ever(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        env.model.released.clear()
        drop_files(env.page, album)
        await wait_until(lambda: env.model.request_count == len(album))
        env.jobs.running[0].cancel()
        await wait_until(lambda: all(env.state(path) == "failed" for path in album))
        assert "cancelled" in env.gallery.photos[0].describe(0.5)

    run(lambda: with_classify_env(tmp_path, scenario))


def test_photos_that_found_no_instance_are_tried_again_when_there_is_one(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        env.model.error = NOBODY
        drop_files(env.page, album)
        await wait_until(lambda: all(env.state(path) == "failed" for path in album))
        env.model.error = None
        env.presenter.fleet_changed(0, MODEL, None)
        env.presenter.fleet_changed(1, MODEL, 1)
        await wait_until(lambda: all(env.state(path) == "answered" for path in album))

    run(lambda: with_classify_env(tmp_path, scenario))


def test_a_new_version_answers_the_shown_photo_at_once_and_others_on_request(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        env.presenter.fleet_changed(2, MODEL, 1)
        drop_files(env.page, album)
        await wait_until(lambda: all(env.state(path) == "answered" for path in album))
        env.page.select(str(album[1]))
        env.model.version, env.model.scores = 2, (("panda", 0.9), ("cat", 0.1))
        env.presenter.fleet_changed(2, MODEL, 2)
        chart = env.page.pane.chart
        await wait_until(lambda: bool(chart.scores) and chart.scores[0].name == "panda")
        assert len(env.gallery.outdated()) == len(album) - 1
        await wait_until(lambda: env.page.header.reclassify.accessibleName() == "Classify 3 again")
        env.page.header.reclassify.click()
        await wait_until(lambda: not env.gallery.outdated())
        await wait_until(env.page.header.reclassify.isHidden)

    run(lambda: with_classify_env(tmp_path, scenario))


def test_another_model_answers_the_shown_photo_and_learns_its_label(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        env.presenter.set_card(MODEL, ModelCard(MODEL, ("cat", "dog")))
        env.presenter.set_card("birds", ModelCard("birds", ("wren", "robin")))
        env.presenter.fleet_changed(1, MODEL, 1)
        drop_files(env.page, album[:2])
        await wait_until(lambda: all(env.state(path) == "answered" for path in album[:2]))
        env.page.select(str(album[0]))
        chooser = env.page.pane.label_box.chooser
        assert chooser.known.names == ("cat", "dog")
        env.model.name, env.model.scores = "birds", (("wren", 0.9),)
        env.presenter.fleet_changed(1, "birds", 1)
        await wait_until(lambda: env.page.pane.source.text().startswith("birds v1"))
        await wait_until(lambda: chooser.known.names == ("wren", "robin"))
        await env.presenter.label([str(album[0]), str(album[1])], "wren").result()
        assert env.labels.models == ["birds", MODEL]

    run(lambda: with_classify_env(tmp_path, scenario))


def test_without_a_class_the_empty_page_says_what_to_do(run: Run, tmp_path: Path) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        env.presenter.fleet_changed(1, "birds", 1)
        env.presenter.set_card("birds", ModelCard("birds", ()))
        assert env.page.content.note.text().startswith("birds knows no class yet. Label photos")

    run(lambda: with_classify_env(tmp_path, scenario))


def test_an_old_answer_stays_on_show_while_a_new_one_is_on_its_way(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        drop_files(env.page, album[:1])
        await wait_until(lambda: env.state(album[0]) == "answered")
        env.model.released.clear()
        env.presenter.reclassify([str(album[0])])
        await wait_until(lambda: env.model.request_count == 2)
        assert env.state(album[0]) == "answered"
        assert env.page.pane.chart.scores
        env.model.released.set()

    run(lambda: with_classify_env(tmp_path, scenario))


def test_a_late_answer_to_an_older_request_is_dropped(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        key = str(album[0])
        env.model.released = older_released = asyncio.Event()
        older = env.presenter.classify(album[:1])
        await wait_until(lambda: env.model.request_count == 1 and bool(env.state(album[0])))
        env.model.version, env.model.released = 2, asyncio.Event()
        env.model.released.set()
        await env.presenter.reclassify([key]).result()
        older_released.set()
        await older.result()
        photo = env.gallery.photo(key)
        assert photo is not None
        assert photo.prediction is not None
        assert photo.prediction.version == 2

    run(lambda: with_classify_env(tmp_path, scenario))


def test_cancelling_an_older_request_leaves_the_newer_one_waiting(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        env.model.released.clear()
        older = env.presenter.classify(album[:1])
        await wait_until(lambda: env.model.request_count == 1 and bool(env.state(album[0])))
        newer = env.presenter.reclassify([str(album[0])])
        await wait_until(lambda: env.model.request_count == 2)
        older.cancel()
        await wait_until(lambda: older not in env.jobs.running)
        assert env.state(album[0]) == "queued"
        env.model.released.set()
        await newer.result()
        assert env.state(album[0]) == "answered"

    run(lambda: with_classify_env(tmp_path, scenario))


def test_a_failed_photo_is_tried_again_from_the_pane(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        env.model.error = NOBODY
        await env.presenter.classify(album[:1]).result()
        env.model.error = None
        env.page.pane.failure.reclassify.click()
        await wait_until(lambda: env.state(album[0]) == "answered")

    run(lambda: with_classify_env(tmp_path, scenario))
