from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from desktop.classify import history as module
from desktop.classify.history import History, HistoryError
from desktop.classify.kept_scores import KeptScores
from desktop.classify.photo import Photo, PhotoFailure
from serving.predict.prediction import Score
from tests.support.predictions import MODEL, answered_photo


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "desktop.sqlite"


@pytest.fixture
def no_database(database: Path) -> Path:
    database.write_bytes(b"this is no database at all, but long enough to be read as one" * 20)
    return database


async def test_photos_come_back_as_they_were(database: Path) -> None:
    first = replace(
        answered_photo(Path("/a.jpg"), ("cat", 0.9), ("dog", 0.1), familiarity=0.75),
        labels={MODEL: "tiger", "birds": "wren"},
    )
    failed = Photo(
        Path("/b.jpg"), "b.jpg", 2.0, failure=PhotoFailure("Empty.", "Choose.", True), waiting=False
    )
    queued = Photo(Path("/c.jpg"), "c.jpg", 3.0)
    async with History(database) as history:
        await history.remember([queued, failed, first])
    async with History(database) as history:
        assert await history.photos() == [first, failed, queued]


async def test_the_newest_state_of_a_photo_counts(database: Path) -> None:
    photo = answered_photo(Path("/a.jpg"), ("cat", 0.9))
    async with History(database) as history:
        await history.remember([Photo(photo.path, photo.name, 1.0)])
        await history.remember([photo])
        assert await history.photos() == [photo]


async def test_forgotten_photos_stay_away(database: Path) -> None:
    photos = [answered_photo(Path(f"/{number}.jpg"), ("cat", 0.9)) for number in range(3)]
    async with History(database) as history:
        await history.remember(photos)
        await history.forget(photos[:2])
        assert await history.photos() == photos[2:]


async def test_the_oldest_are_forgotten_beyond_the_limit(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PHOTOS", 2)
    photos = [Photo(Path(f"/{n}.jpg"), f"{n}.jpg", float(n)) for n in range(4)]
    async with History(database) as history:
        await history.remember(photos)
    async with History(database) as history:
        assert await history.photos() == photos[2:]


@pytest.mark.parametrize("change", [{"scores": None}, {"familiarity": "very"}])
async def test_a_row_that_cannot_be_read_loses_its_answer_only(
    database: Path, change: dict[str, object]
) -> None:
    async with History(database) as history:
        await history.remember([answered_photo(Path("/a.jpg"), ("cat", 0.9))])
    with sqlite3.connect(database) as connection:
        (text,) = connection.execute("SELECT prediction FROM history").fetchone()
        damaged = json.dumps(json.loads(text) | change)
        connection.execute("UPDATE history SET prediction = ?", (damaged,))
    connection.close()
    async with History(database) as history:
        (photo,) = await history.photos()
    assert photo.prediction is None
    assert photo.waiting


async def test_a_database_that_cannot_be_used_is_an_error_with_words(no_database: Path) -> None:
    async with History(no_database) as history:
        with pytest.raises(HistoryError, match="cannot be used"):
            await history.photos()


async def test_a_failure_that_an_earlier_version_wrote_is_read(database: Path) -> None:
    async with History(database) as history:
        await history.remember([Photo(Path("/a.jpg"), "a.jpg", 1.0)])
    with sqlite3.connect(database) as connection:
        connection.execute(
            "UPDATE history SET problem = ?",
            ('{"what": "No instance is ready.", "advice": "Start one.", "passing": true}',),
        )
    connection.close()
    async with History(database) as history:
        (photo,) = await history.photos()
    assert photo.failure == PhotoFailure("No instance is ready.", "Start one.", transient=True)
    assert not photo.waiting


async def test_the_oldest_are_forgotten_while_it_is_open_too(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PHOTOS", 3)
    monkeypatch.setattr(module, "_SURPLUS", 2)
    photos = [Photo(Path(f"/{n}.jpg"), f"{n}.jpg", float(n)) for n in range(20)]
    async with History(database) as history:
        for photo in photos:
            await history.remember([photo])
            assert len(await history.photos()) <= 5
        assert (await history.photos())[-3:] == photos[-3:]


NOT_TEXT = tuple(
    Path(os.fsdecode(name)) for name in (b"/caf\xe9.jpg", b"/\xff", b"/\x80 dir/\xed\xb3\xa9.png")
)


async def test_names_that_are_no_text_are_kept_beside_others(database: Path) -> None:
    photos = [answered_photo(path, ("cat", 0.9)) for path in (*NOT_TEXT, Path("/a.jpg"))]
    async with History(database) as history:
        await history.remember(photos)
    async with History(database) as history:
        assert sorted(await history.photos(), key=lambda photo: photo.key) == sorted(
            photos, key=lambda photo: photo.key
        )
        await history.forget(photos[:2])
        assert {photo.key for photo in await history.photos()} == {
            photo.key for photo in photos[2:]
        }


async def test_pages_have_every_photo_once_newest_first(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 3)
    # Some were added in the same moment, and some names are no text.
    paths = [*NOT_TEXT, *(Path(f"/{number}.jpg") for number in range(8))]
    photos = [Photo(path, path.name, float(at // 4)) for at, path in enumerate(paths)]
    async with History(database) as history:
        assert await history.page() == []
        await history.remember(photos)
        found = await history.page()
        while page := await history.page(found[-1]):
            assert len(page) <= 3
            found += page
    assert sorted(photo.key for photo in found) == sorted(photo.key for photo in photos)
    assert [photo.added for photo in found] == sorted((p.added for p in photos), reverse=True)


@pytest.mark.parametrize(("limit", "surplus", "count"), [(2, 0, 5), (3, 1, 5), (1, 0, 4)])
async def test_it_says_how_many_were_forgotten(
    database: Path, monkeypatch: pytest.MonkeyPatch, limit: int, surplus: int, count: int
) -> None:
    monkeypatch.setattr(module, "MAX_PHOTOS", limit)
    monkeypatch.setattr(module, "_SURPLUS", surplus)
    photos = [Photo(Path(f"/{n}.jpg"), f"{n}.jpg", float(n)) for n in range(count)]
    said: list[int] = []
    async with History(database) as history:
        history.on_forgotten = said.append
        await history.remember(photos[:limit])
        assert said == []
        await history.remember(photos[limit:])
        assert said == [count - limit]
        assert await history.photos() == photos[-limit:]


async def test_what_version_0_1_wrote_of_an_answer_is_read(database: Path) -> None:
    photo = answered_photo(Path("/a.jpg"), ("cat", 0.9), ("dog", 0.1))
    async with History(database) as history:
        await history.remember([photo])
    assert photo.prediction is not None
    with sqlite3.connect(database) as connection:
        written = json.dumps(asdict(photo.prediction))
        connection.execute("UPDATE history SET prediction = ?", (written,))
    connection.close()
    async with History(database) as history:
        assert await history.photos() == [photo]


def test_kept_scores_are_as_those_that_were_kept() -> None:
    for scores in ((), (Score("cat", 0.1),), tuple(Score(f"{n}", 1 / (n + 1)) for n in range(20))):
        kept = KeptScores((one.name for one in scores), (one.score for one in scores))
        assert kept == scores
        assert scores == kept
        assert hash(kept) == hash(scores)
        assert (len(kept), bool(kept), kept[:5]) == (len(scores), bool(scores), scores[:5])
        assert list(kept) == list(scores)
    assert KeptScores(["cat"], [0.5]) != (Score("cat", 0.4),)
    with pytest.raises(IndexError):
        KeptScores([], [])[0]
