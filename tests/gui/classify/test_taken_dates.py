from __future__ import annotations

from pathlib import Path

from PIL import ExifTags, Image

from desktop.classify.gallery_query import Sort
from desktop.classify.view_menu import ViewMenu
from tests.gui.classify.classify_env import ClassifyEnv, with_classify_env
from tests.gui.conftest import Run
from tests.support.waiting import wait_until


def dated(path: Path, moment: str) -> Path:
    exif = Image.Exif()
    if moment:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = moment
    Image.new("RGB", (32, 24), "teal").save(path, "JPEG", exif=exif)
    return path


def test_photos_are_sorted_by_when_they_were_taken_also_those_that_come_later(
    run: Run, tmp_path: Path
) -> None:
    album = tmp_path / "album"
    album.mkdir()
    dated(album / "a.jpg", "2019:01:01 00:00:00")
    dated(album / "b.jpg", "")
    dated(album / "c.jpg", "2020:01:01 00:00:00")
    later = dated(tmp_path / "later.jpg", "2019:06:01 00:00:00")

    async def scenario(env: ClassifyEnv) -> None:
        def names() -> list[str]:
            return [photo.name for photo in env.page.grid.shown.photos]

        await env.presenter.classify([album]).result()
        menu = env.page.header.view.menu()
        assert isinstance(menu, ViewMenu)
        menu.sorts[Sort.TAKEN].trigger()
        await wait_until(lambda: names() == ["c.jpg", "a.jpg", "b.jpg"])
        await env.presenter.classify([later]).result()
        await wait_until(lambda: names() == ["c.jpg", "later.jpg", "a.jpg", "b.jpg"])

    run(lambda: with_classify_env(tmp_path, scenario))
