"""A folder with one folder a class becomes images and labels, each photo once."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from backend.store.images import ImageFolder, read_image
from backend.training.import_photos import BATCH, ImportedPhotos, import_photos
from backend.training.worker_protocol import LabeledImage, PhotosRead, ReadPhoto, TrainingSpec
from serving.photo_folder import NotAPhotoFolder
from tests.support.damage import OF_A_PHOTO
from tests.support.sample_images import image_bytes, painting


class Import:
    """A folder to import, and what came of it."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "photos"
        self.images = ImageFolder(root / "images")
        self.images.root.mkdir()
        self.sent: list[ReadPhoto] = []
        self.done: list[tuple[int, int]] = []

    def add(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return hashlib.sha256(content).hexdigest()

    def run(
        self, labelled: tuple[LabeledImage, ...] = (), known: tuple[str, ...] = ()
    ) -> ImportedPhotos:
        spec = TrainingSpec(
            run_id="run-1",
            base_version=1,
            base_folder="",
            staging_folder="",
            embeddings_folder="",
            images=labelled,
            images_ever_labeled=(),
            import_folder=str(self.folder),
            images_folder=str(self.images.root),
        )
        self.sent.clear()
        self.done.clear()

        def on_photos(message: PhotosRead) -> None:
            for photo in message.photos:
                assert self.images.path(photo.image).is_file()
            self.sent.extend(message.photos)

        def on_done(done: int, total: int) -> None:
            self.done.append((done, total))

        return import_photos(spec, on_photos, on_done, known=known)

    def classes(self) -> dict[str, str]:
        return {photo.image: photo.class_name for photo in self.sent}


@pytest.fixture
def importing(tmp_path: Path) -> Import:
    return Import(tmp_path)


@pytest.mark.parametrize("kind", OF_A_PHOTO)
def test_importing_a_photo_again_repairs_it(importing: Import, kind: str) -> None:
    jpeg = image_bytes("red")
    image = importing.add("cat/1.jpg", jpeg)
    labelled = importing.run().images
    OF_A_PHOTO[kind](importing.images.path(image))
    importing.run(labelled)
    assert read_image(importing.images.path(image)) == jpeg


def test_names_of_folders_are_classes_as_they_are(importing: Import) -> None:
    names = ("t-shirt", "007", "Бук", "red panda")
    expected = {importing.add(f"{name}/1.jpg", painting("red", name)): name for name in names}
    imported = importing.run()
    assert importing.classes() == expected
    assert {image.image: image.class_name for image in imported.images} == expected
    assert all(Path(image.path).is_file() for image in imported.images)
    assert imported.skipped == ()
    assert importing.done == [(4, 4)]


def test_photos_of_the_test_part_are_held_out(importing: Import) -> None:
    train = importing.add("train/cat/1.jpg", painting("red", 1))
    test = importing.add("test/cat/1.jpg", painting("red", 2))
    held_out = {image.image: image.held_out for image in importing.run().images}
    assert held_out == {train: False, test: True}


def test_a_photo_that_is_no_jpeg_is_converted(importing: Import) -> None:
    importing.add("cat/1.png", image_bytes("teal", "PNG"))
    importing.add("dog/1.jpg", painting("red", 1))
    for photo in importing.run().images:
        assert Path(photo.path).read_bytes().startswith(b"\xff\xd8\xff")


def test_what_cannot_be_used_costs_itself_alone(importing: Import) -> None:
    good = painting("red", 1)
    importing.add("cat/good.jpg", good)
    importing.add("cat/again.jpg", good)
    importing.add("cat/cut off.jpg", good[: len(good) // 2])
    importing.add("cat/empty.jpg", b"")
    importing.add("cat/notes.txt", b"not a photo")
    importing.add("cat/both.jpg", painting("red", 2))
    importing.add("dog/both.jpg", painting("red", 2))
    importing.add("dog/good.jpg", painting("blue", 1))
    imported = importing.run()
    assert sorted(importing.classes().values()) == ["cat", "dog"]
    assert {entry.path: entry.reason.partition(":")[0] for entry in imported.skipped} == {
        "cat/good.jpg": "the same photo again",
        "cat/cut off.jpg": "damaged",
        "cat/empty.jpg": "empty",
        "cat/notes.txt": "not an image",
        "cat/both.jpg": "the same photo in two classes",
        "dog/both.jpg": "the same photo in two classes",
    }


def test_two_files_with_the_same_image_count_once(importing: Import) -> None:
    png = image_bytes("teal", "PNG")
    importing.add("cat/1.png", png)
    importing.add("cat/2.png", png + b"trailing bytes")
    importing.add("dog/1.jpg", painting("red", 1))
    imported = importing.run()
    assert len(imported.images) == 2
    assert [(entry.path, entry.reason) for entry in imported.skipped] == [
        ("cat/2.png", "the same photo again")
    ]


def test_a_second_import_reports_nothing_new(importing: Import) -> None:
    for number in range(3):
        importing.add(f"cat/{number}.jpg", painting("red", number))
        importing.add(f"dog/{number}.png", image_bytes("teal", "PNG", (64, 48 + number)))
    first = importing.run()
    assert len(importing.sent) == 6
    written = {path: path.stat().st_mtime_ns for path in importing.images.root.rglob("*.jpg")}
    again = importing.run(labelled=first.images)
    assert importing.sent == []
    assert set(again.images) == set(first.images)
    assert written == {p: p.stat().st_mtime_ns for p in importing.images.root.rglob("*.jpg")}


def test_another_class_than_before_is_a_new_label(importing: Import) -> None:
    image = importing.add("cat/1.jpg", painting("red", 1))
    importing.add("dog/1.jpg", painting("red", 2))
    importing.run(labelled=(LabeledImage(image, "", "lynx"),))
    assert importing.classes()[image] == "cat"


def test_capitals_make_no_other_class(importing: Import) -> None:
    importing.add("cat/1.jpg", painting("red", 1))
    importing.add("dog/1.jpg", painting("red", 2))
    importing.run(labelled=(LabeledImage("0" * 64, "", "Cat"),), known=("Dog", "CAT"))
    assert sorted(importing.classes().values()) == ["Cat", "Dog"]


def test_photos_come_in_batches_so_that_their_labels_stay(importing: Import) -> None:
    for number in range(BATCH + 1):
        importing.add(f"cat/{number}.jpg", image_bytes("teal", "JPEG", (16, 16 + number)))
    importing.add("dog/1.jpg", painting("red", 2))
    importing.run()
    assert importing.done == [(BATCH, BATCH + 2), (BATCH + 2, BATCH + 2)]


def test_a_name_that_is_no_text_can_be_reported(importing: Import) -> None:
    importing.add("cat/1.jpg", painting("red", 1))
    importing.add("dog/1.jpg", painting("red", 2))
    (importing.folder / os.fsdecode(b"cat/\xff.jpg")).write_bytes(b"nonsense")
    (entry,) = importing.run().skipped
    assert entry.path.encode().decode() == "cat/\N{REPLACEMENT CHARACTER}.jpg"


def test_a_folder_without_classes_is_explained(importing: Import) -> None:
    importing.add("1.jpg", painting("red", 1))
    with pytest.raises(NotAPhotoFolder, match="no folders"):
        importing.run()


def test_names_that_are_no_text_are_learned_from_and_reported_as_text(tmp_path: Path) -> None:
    import_ = Import(tmp_path)
    photos = [painting(color, color) for color in ("red", "green", "blue")]
    names = [os.fsdecode(name) for name in (b"caf\xe9.jpg", b"\xff.jpg", b"\x80\x81.jpg")]
    for name, content in zip(names, photos, strict=True):
        import_.add(f"cat/{name}", content)
        import_.add(f"cat/copy of {name}", content)
        import_.add(f"dog/{name}.txt", b"no photo")
    import_.add("dog/a.jpg", painting("gold", 1))
    import_.add(os.fsdecode(b"ot\xfeter/b.jpg"), painting("gray", 1))
    imported = import_.run()
    assert len(imported.images) == 4
    assert len(imported.skipped) == 7
    for skipped in imported.skipped:
        f"{skipped.path}{skipped.reason}".encode()  # as the report of a version is sent
