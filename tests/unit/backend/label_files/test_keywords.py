"""Keywords in photos become labels, over HTTP; what Servery wrote itself does not."""

from __future__ import annotations

import getpass
from pathlib import Path

import httpx
import pytest

from backend.client import BackendRefused
from serving.photo_metadata.answer import AnswerMetadata
from serving.photo_metadata.write import MetadataPlace, write_answer
from serving.photo_metadata.xmp import DC, RDF
from tests.support.backend_env import MODEL, Service
from tests.support.sample_images import image_bytes, painting


def photo(folder: Path, name: str, *keywords: str) -> Path:
    """Write a photo, and a sidecar with keywords if there are any."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(painting("red", name))
    if keywords:
        items = "".join(f"<r:li>{keyword}</r:li>" for keyword in keywords)
        path.with_name(f"{path.name}.xmp").write_text(
            f'<r:RDF xmlns:r="{RDF}" xmlns:d="{DC}"><r:Description><d:subject><r:Bag>{items}'
            "</r:Bag></d:subject></r:Description></r:RDF>"
        )
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    photo(folder, "a.jpg", "cat", "holiday")
    photo(folder, "sub/b.jpg", "Cat")
    photo(folder, "c.jpg", "dog", "cat")
    photo(folder, "d.jpg", "x" * 101)
    photo(folder, "e.jpg")
    photo(folder, "broken.jpg").with_name("broken.jpg.xmp").write_text("<")
    write_answer(photo(folder, "f.jpg"), AnswerMetadata("cat", 0.9), MetadataPlace.ORIGINAL)
    return folder


async def test_keywords_are_counted_without_our_own(service: Service, folder: Path) -> None:
    found = await service.client.keywords(folder)
    assert found.photos == 7
    counts = {each.keyword: each.photos for each in found.keywords}
    assert counts == {"cat": 2, "Cat": 1, "dog": 1, "holiday": 1, "x" * 101: 1}
    assert found.keywords[0].keyword == "cat"
    assert [file.path for file in found.unreadable] == ["broken.jpg"]


async def test_chosen_keywords_are_labels(service: Service, folder: Path) -> None:
    taken = await service.client.import_labels(MODEL, folder, keywords=["CAT", "dog", "x" * 101])
    assert (taken.labels, taken.photos) == (2, 2)
    assert {file.path: file.reason for file in taken.skipped} == {
        "broken.jpg": "The XMP metadata of the photo cannot be read.",
        "c.jpg": "It has several of the keywords: CAT, dog.",
        "d.jpg": "No class can be called like its keyword.",
    }
    summary = await service.client.labels(MODEL)
    # As the live version spells it.
    assert [(each.name, each.labels) for each in summary.classes] == [("cat", 2)]
    (action,) = await service.client.label_actions(MODEL)
    assert (action.by, action.id) == (getpass.getuser(), taken.action)
    again = await service.client.import_labels(MODEL, folder, keywords=["cat"])
    # With one keyword, the photo with two has one of them.
    assert (again.labels, again.known) == (1, 2)


async def test_a_folder_that_is_not_there_is_said(service: Service, tmp_path: Path) -> None:
    with pytest.raises(BackendRefused, match="cannot be read") as refused:
        await service.client.keywords(tmp_path / "gone")
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/keywords", {"folder": "relative"}),
        (f"/models/{MODEL}/labels/export", {"target": "relative"}),
        (f"/models/{MODEL}/labels/import", {"source": "relative"}),
        (f"/models/{MODEL}/labels/export", {"target": "/a", "format": "xlsx"}),
        (f"/models/{MODEL}/labels/import", {"source": "/a", "by": "x" * 101}),
    ],
)
async def test_requests_that_do_not_fit_are_400(
    service: Service, path: str, body: dict[str, str]
) -> None:
    assert (await service.http.post(path, json=body)).status_code == 400


async def test_another_machine_names_no_files(service: Service, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("file,class\n")

    token = service.workspace.token
    token.write_text("secret-secret-secret-secret-secret\n")
    token.chmod(0o600)
    auth = ("Eve", token.read_text().strip())
    transport = httpx.ASGITransport(service.app, client=("192.0.2.7", 5000))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as http:
        for path, body in (
            ("/keywords", {"folder": str(tmp_path)}),
            (f"/models/{MODEL}/labels/export", {"target": str(tmp_path / "x")}),
            (f"/models/{MODEL}/labels/import", {"source": str(tmp_path / "a.csv")}),
        ):
            assert (await http.post(path, json=body, auth=auth)).status_code == 403
    assert not (tmp_path / "x").exists()


async def test_what_cannot_be_imported_is_said(service: Service, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source, sentence in (
        (tmp_path / "gone.csv", "There is no file"),
        (tmp_path / "empty", "has no labels.csv nor tasks.json"),
    ):
        with pytest.raises(BackendRefused, match=sentence) as refused:
            await service.client.import_labels(MODEL, source)
        assert refused.value.status == 400
    with pytest.raises(BackendRefused) as refused:
        await service.client.import_labels("nobody", tmp_path)
    assert refused.value.status == 404


async def test_photos_are_found_in_another_folder_and_bad_ones_named(
    service: Service, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photo(photos, "a.jpg")
    (photos / "text.jpg").write_text("no photo")
    (photos / "b.png").write_bytes(image_bytes(form="PNG"))
    table = tmp_path / "labels.csv"
    table.write_text(
        f"file,class\na.jpg,cat\nb.png,dog\ntext.jpg,cat\n{photos / 'a.jpg'},cat\n../x.jpg,cat\n"
    )
    taken = await service.client.import_labels(MODEL, table, photos=photos, by="Eve")
    assert (taken.labels, taken.photos) == (1, 1)
    reasons = {file.path: file.reason for file in taken.skipped}
    assert reasons.pop("a.jpg") == reasons.pop(str(photos / "a.jpg"))
    assert set(reasons) == {"text.jpg", "../x.jpg"}
    (count,) = (await service.client.labels(MODEL)).classes
    assert (count.name, count.labels) == ("dog", 1)
