"""Folders with one folder a class: what is taken from them, what is skipped, and why."""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from serving.errors import ImageError
from serving.image_file import ImageFault, UnusableImage
from serving.normalize_image import read_normalized_image
from serving.photo_folder import (
    FolderPhoto,
    NotAPhotoFolder,
    PhotoFolder,
    SkipReason,
    assign_photos,
    scan_photo_folder,
    skip_reason,
)
from tests.support.sample_images import image_bytes


def make(root: Path, *files: str, content: bytes = b"never opened") -> Path:
    """Write files, given by their paths, into `root`."""
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def found(folder: PhotoFolder) -> set[tuple[str, str, bool]]:
    """The path from the root, class and part of each photo."""
    return {
        (str(photo.path.relative_to(folder.root)), photo.class_name, photo.held_out)
        for photo in folder.photos
    }


def skipped(folder: PhotoFolder) -> dict[str, str]:
    return {str(one.path.relative_to(folder.root)): one.reason.value for one in folder.skipped}


def refusal(folder: Path) -> str:
    with pytest.raises(NotAPhotoFolder) as caught:
        scan_photo_folder(folder)
    assert caught.value.what.endswith(".")
    assert caught.value.advice.endswith(".")
    return caught.value.what


def test_each_folder_is_a_class(tmp_path: Path) -> None:
    folder = scan_photo_folder(make(tmp_path, "cat/1.jpg", "cat/2.JPEG", "dog/1.png", "dog/a.webp"))
    assert found(folder) == {
        ("cat/1.jpg", "cat", False),
        ("cat/2.JPEG", "cat", False),
        ("dog/1.png", "dog", False),
        ("dog/a.webp", "dog", False),
    }
    assert folder.root == tmp_path
    assert folder.classes == ("cat", "dog")
    assert (folder.skipped, folder.notes) == ((), ())


@pytest.mark.parametrize(
    "name", ["t-shirt", "007", "1", "Æbleskive", "日本の猫", "a_b.c", "ice cream", "C++", "🐼"]
)
def test_classes_are_called_as_their_folders_are(tmp_path: Path, name: str) -> None:
    assert scan_photo_folder(make(tmp_path, f"{name}/1.jpg")).classes == (name,)


def test_a_name_written_in_two_ways_is_one_class(tmp_path: Path) -> None:
    decomposed, composed = "cafe\u0301", "caf\u00e9"
    folder = scan_photo_folder(
        make(tmp_path, f"{decomposed}/1.jpg", f"{composed}/2.jpg", "x/1.jpg")
    )
    assert folder.classes == (composed, "x")
    assert folder.notes == ()


def test_names_that_differ_only_in_capitals_are_one_class_and_it_is_said(tmp_path: Path) -> None:
    files = ("cat/1.jpg", "CAT/2.jpg", "CAT/3.jpg", "dog/1.jpg", "train/x.txt")
    folder = scan_photo_folder(make(tmp_path, *files))
    assert Counter(photo.class_name for photo in folder.photos) == {"CAT": 3, "dog": 1}
    assert "CAT and cat are one class, CAT." in folder.notes


def test_a_class_spelled_otherwise_in_the_test_part_is_the_same(tmp_path: Path) -> None:
    folder = scan_photo_folder(
        make(tmp_path, "train/Cat/1.jpg", "train/Cat/2.jpg", "test/cat/3.jpg")
    )
    assert {(photo.class_name, photo.held_out) for photo in folder.photos} == {
        ("Cat", False),
        ("Cat", True),
    }


@pytest.mark.parametrize(
    ("train", "test"),
    [("train", "test"), ("TRAIN", "Test"), ("training", "valid"), ("Train", "Validation")],
)
def test_the_test_part_is_held_out(tmp_path: Path, train: str, test: str) -> None:
    make(tmp_path, f"{train}/cat/1.jpg", f"{train}/dog/1.jpg", f"{test}/cat/2.jpg")
    folder = scan_photo_folder(tmp_path)
    assert found(folder) == {
        (f"{train}/cat/1.jpg", "cat", False),
        (f"{train}/dog/1.jpg", "dog", False),
        (f"{test}/cat/2.jpg", "cat", True),
    }
    assert folder.notes == (f"The photos in {test} are held out to measure accuracy.",)


def test_beside_a_test_part_validation_photos_are_learned_from(tmp_path: Path) -> None:
    folder = scan_photo_folder(make(tmp_path, "train/a/1.jpg", "val/a/2.jpg", "test/a/3.jpg"))
    assert found(folder) == {
        ("train/a/1.jpg", "a", False),
        ("val/a/2.jpg", "a", False),
        ("test/a/3.jpg", "a", True),
    }
    assert "The photos in val are learned from, since there is a test." in folder.notes


def test_a_test_part_beside_the_classes_is_held_out(tmp_path: Path) -> None:
    folder = scan_photo_folder(make(tmp_path, "cat/1.jpg", "dog/1.jpg", "test/cat/2.jpg"))
    assert ("test/cat/2.jpg", "cat", True) in found(folder)
    assert folder.classes == ("cat", "dog")


def test_what_is_beside_the_parts_is_skipped(tmp_path: Path) -> None:
    make(tmp_path, "train/a/1.jpg", "train/loose.jpg", "test/a/2.jpg", "docs/logo.png", "top.jpg")
    folder = scan_photo_folder(tmp_path)
    assert folder.classes == ("a",)
    assert set(skipped(folder)) == {"train/loose.jpg", "docs/logo.png", "top.jpg"}
    assert set(skipped(folder).values()) == {"not in the folder of a class"}


def test_a_class_with_photos_in_the_test_part_alone_is_skipped(tmp_path: Path) -> None:
    folder = scan_photo_folder(make(tmp_path, "train/a/1.jpg", "test/a/2.jpg", "test/b/3.jpg"))
    assert folder.classes == ("a",)
    assert skipped(folder) == {"test/b/3.jpg": "its class has photos only in the test part"}


def test_a_test_part_without_classes_is_no_test_part(tmp_path: Path) -> None:
    folder = scan_photo_folder(make(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "test/1.jpg"))
    assert not any(photo.held_out for photo in folder.photos)
    assert skipped(folder) == {"test/1.jpg": "not in the folder of a class"}


def test_a_folder_of_trains_may_be_called_train(tmp_path: Path) -> None:
    assert scan_photo_folder(make(tmp_path, "train/1.jpg", "car/1.jpg")).classes == ("car", "train")
    make(tmp_path, "train/steam/2.jpg")
    folder = scan_photo_folder(tmp_path)
    assert Counter(photo.class_name for photo in folder.photos) == {"car": 1, "train": 2}


def test_photos_in_deeper_folders_count_to_the_class(tmp_path: Path) -> None:
    folder = scan_photo_folder(
        make(tmp_path, "cat/2024/june/1.jpg", "cat/2.jpg", "dog/x/y/z/3.jpg")
    )
    assert Counter(photo.class_name for photo in folder.photos) == {"cat": 2, "dog": 1}


def test_folders_nested_deeper_than_python_calls_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "dog/1.jpg", "cat/1.jpg")
    monkeypatch.chdir(tmp_path / "cat")
    depth = sys.getrecursionlimit() + 200
    for _ in range(depth):
        Path("d").mkdir()
        os.chdir("d")
    assert scan_photo_folder(tmp_path).classes == ("cat", "dog")
    for _ in range(depth):  # pytest could not delete it
        os.chdir("..")
        Path("d").rmdir()


def test_what_systems_leave_behind_is_skipped(tmp_path: Path) -> None:
    make(
        tmp_path,
        *("cat/1.jpg", "dog/1.jpg", "cat/.DS_Store", "cat/Thumbs.db", "cat/._1.jpg", ".git/a.jpg"),
        *("__MACOSX/cat/._1.jpg", "cat/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg", "desktop.ini"),
    )
    folder = scan_photo_folder(tmp_path)
    assert len(folder.photos) == 2
    assert skipped(folder) == dict.fromkeys(
        [
            *("cat/.DS_Store", "cat/Thumbs.db", "cat/._1.jpg", ".git"),
            *("__MACOSX", "cat/@eaDir", "desktop.ini"),
        ],
        "hidden",
    )


def test_content_decides_about_files_that_are_not_named_like_images(tmp_path: Path) -> None:
    make(tmp_path, "cat/1.jpg", "cat/notes.txt", "cat/empty")
    make(tmp_path, "cat/IMG_1", "cat/2.data", content=image_bytes())
    folder = scan_photo_folder(tmp_path)
    assert {photo.path.name for photo in folder.photos} == {"1.jpg", "IMG_1", "2.data"}
    assert skipped(folder) == {"cat/notes.txt": "not an image", "cat/empty": "not an image"}


def test_folders_without_photos_are_named(tmp_path: Path) -> None:
    make(tmp_path, "cat/1.jpg", "dog/notes.txt")
    for number in range(7):
        (tmp_path / f"e{number}").mkdir()
    folder = scan_photo_folder(tmp_path)
    assert folder.classes == ("cat",)
    assert folder.notes == ("dog, e0, e1, e2, e3 and 3 more have no photos.",)


@pytest.mark.parametrize("name", ["x" * 101, "a\x01b", os.fsdecode(b"caf\xe9")])
def test_a_folder_whose_name_cannot_be_a_class_is_skipped(tmp_path: Path, name: str) -> None:
    folder = scan_photo_folder(make(tmp_path, f"{name}/1.jpg", "cat/1.jpg"))
    assert folder.classes == ("cat",)
    assert skipped(folder) == {f"{name}/1.jpg": "the folder's name cannot be a class"}
    (tmp_path / "cat/1.jpg").unlink()
    assert refusal(tmp_path) == "No folder in it has a name that a class can have."


@pytest.mark.parametrize("inside", ["photos", "archive/photos"])
def test_a_single_folder_around_the_classes_is_looked_through(tmp_path: Path, inside: str) -> None:
    make(tmp_path, f"{inside}/cat/1.jpg", f"{inside}/dog/1.jpg", "__MACOSX/x.jpg", "README.md")
    folder = scan_photo_folder(tmp_path)
    assert folder.root == tmp_path / inside
    assert folder.classes == ("cat", "dog")
    assert folder.notes == (f"The classes are in the folder {inside}.",)
    parts = scan_photo_folder(make(tmp_path / "other", "x/train/a/1.jpg", "x/test/a/2.jpg"))
    assert any(photo.held_out for photo in parts.photos)


def test_links_are_followed_once_and_never_around_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    elsewhere = make(tmp_path / "elsewhere", "1.jpg", "2.jpg")
    make(root, "cat/1.jpg")
    (root / "aaa").symlink_to(root / "cat")
    (root / "cat" / "again").symlink_to(root)
    (root / "up").symlink_to(tmp_path)
    (root / "dog").symlink_to(elsewhere)
    (root / "gone").symlink_to(tmp_path / "nothing")
    (root / "self").symlink_to(root / "self")
    (root / "cat" / "2.jpg").symlink_to(elsewhere / "1.jpg")
    folder = scan_photo_folder(root)
    assert Counter(photo.class_name for photo in folder.photos) == {"cat": 2, "dog": 2}
    again = "a link to a folder that is read already"
    assert skipped(folder) == {
        "aaa": again,
        "cat/again": again,
        "up": again,
        "gone": "cannot be read",
        "self": "cannot be read",
    }


def test_a_folder_that_may_not_be_read_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "cat/1.jpg", "dog/1.jpg")
    scandir = os.scandir

    def refuse(path: Path) -> object:  # the user of the tests may be root, who may read all
        if path == tmp_path / "dog":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    folder = scan_photo_folder(tmp_path)
    assert folder.classes == ("cat",)
    assert skipped(folder) == {"dog": "cannot be read"}


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    make(tmp_path, "cat/1.jpg")
    os.mkfifo(tmp_path / "cat" / "pipe")
    os.mkfifo(tmp_path / "cat" / "pipe.jpg")
    folder = scan_photo_folder(tmp_path)
    assert set(skipped(folder)) == {"cat/pipe", "cat/pipe.jpg"}


def test_a_folder_that_is_none_is_explained_with_what_was_found(tmp_path: Path) -> None:
    flat = make(tmp_path / "flat", *(f"{number}.jpg" for number in range(214)))
    assert refusal(flat) == "The folder holds 214 photos but no folders."
    make(flat, "notes/readme.txt")
    assert refusal(flat) == "The folder holds 214 photos but no folders with photos."
    texts = make(tmp_path / "texts", "a/1.txt", "a/2.txt", "b.csv")
    assert refusal(texts) == "The folder holds 3 files but no photos, most of them .txt."
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "empty") == "The folder holds no photos."
    assert refusal(flat / "1.jpg") == "1.jpg is a file."
    assert refusal(tmp_path / "gone").startswith("There is no folder ")
    unsorted = make(tmp_path / "unsorted", "train/1.jpg", "test/2.jpg")
    assert refusal(unsorted) == "test and train hold 2 photos but no folders of classes."
    assert refusal(make(tmp_path / "one", "train/1.jpg")) == (
        "train holds 1 photo but no folders of classes."
    )


def test_progress_is_reported_while_it_looks(tmp_path: Path) -> None:
    make(tmp_path, *(f"cat/{number}.jpg" for number in range(1001)))
    reports: list[tuple[int, int, str]] = []
    scan_photo_folder(tmp_path, lambda *report: reports.append(report))
    assert [done for done, _, _ in reports] == [500, 1000]
    assert reports[-1] == (1000, 0, "Looking for photos, 1,000 found")


def photo(path: str, held_out: bool = False) -> FolderPhoto:
    return FolderPhoto(Path(path), path.split("/")[0], held_out)


def assigned(read: Iterable[tuple[FolderPhoto, str]]) -> list[object]:
    """All of an assignment, the same however the photos were ordered."""
    shuffled = list(read)
    results = []
    for seed in range(5):
        random.Random(seed).shuffle(shuffled)
        one = assign_photos(shuffled)
        results.append((one.train, one.held_out, one.skipped, one.paths))
    assert all(result == results[0] for result in results)
    train, held_out, out, paths = results[0]
    return [train, held_out, {str(p.path): (p.reason, p.detail) for p in out}, paths]


def test_the_same_photo_in_two_classes_is_a_conflict() -> None:
    read = [(photo("cat/1"), "x"), (photo("dog/1"), "x"), (photo("dog/2"), "y")]
    train, held_out, out, paths = assigned(read)
    assert (train, held_out) == ({"y": "dog"}, {})
    conflict = (SkipReason.TWO_CLASSES, "cat and dog")
    assert out == {"cat/1": conflict, "dog/1": conflict}
    assert paths == {"y": Path("dog/2")}


def test_the_same_photo_twice_in_a_class_counts_once() -> None:
    read = [(photo("cat/2"), "x"), (photo("cat/1"), "x"), (photo("cat/3"), "x")]
    train, _, out, paths = assigned(read)
    assert (train, paths) == ({"x": "cat"}, {"x": Path("cat/1")})
    again = (SkipReason.SAME_PHOTO, "1")
    assert out == {"cat/2": again, "cat/3": again}


def test_a_photo_that_is_in_the_test_part_too_counts_for_the_test_alone() -> None:
    test = [(photo("cat/t1", True), "x"), (photo("cat/t2", True), "x")]
    train, held_out, out, paths = assigned([(photo("cat/1"), "x"), *test])
    assert (train, held_out) == ({}, {"x": "cat"})
    assert out == {
        "cat/1": (SkipReason.IN_TEST, "t1"),
        "cat/t2": (SkipReason.SAME_PHOTO, "t1"),
    }
    assert paths == {"x": Path("cat/t1")}


def test_a_conflict_between_the_parts_leaves_nothing(tmp_path: Path) -> None:
    train, held_out, out, _ = assigned([(photo("cat/1"), "x"), (photo("dog/1", True), "x")])
    assert (train, held_out) == ({}, {})
    assert isinstance(out, dict)
    assert len(out) == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", SkipReason.EMPTY),
        (b"words", SkipReason.NOT_AN_IMAGE),
        (image_bytes(size=(300, 300))[:-200], SkipReason.DAMAGED),
        (None, SkipReason.CANNOT_BE_READ),
    ],
)
def test_a_photo_that_cannot_be_used_is_left_out_with_its_fault(
    tmp_path: Path, content: bytes | None, reason: SkipReason
) -> None:
    path = tmp_path / "photo.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        read_normalized_image(path)
    assert skip_reason(path, caught.value).reason is reason


def test_every_fault_has_a_reason() -> None:
    for fault in ImageFault:
        skip_reason(Path("x"), UnusableImage(fault, "What.", "Advice."))
