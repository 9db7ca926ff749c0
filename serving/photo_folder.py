"""Folders of photos with one folder a class: how they are read, and what is skipped of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from serving.class_names import ClassNameError, checked_class_name
from serving.errors import ImageError, ServeryError, reading_error
from serving.folder_tree import PhotoTree, SkippedPath, SkipReason, read_tree
from serving.image_file import ImageFault, UnusableImage
from serving.progress import Report, no_report

__all__ = ["SkipReason", "SkippedPath"]

_TRAIN = frozenset(("train", "training"))
_TEST = frozenset(("test", "testing"))
_VALIDATION = frozenset(("val", "valid", "validation"))
_PARTS = _TRAIN | _TEST | _VALIDATION
_NAMED = 5
"""So many names are listed in a sentence before it says how many more there are."""
_FAULTS = {
    ImageFault.EMPTY: SkipReason.EMPTY,
    ImageFault.TOO_LARGE: SkipReason.TOO_LARGE,
    ImageFault.NOT_AN_IMAGE: SkipReason.NOT_AN_IMAGE,
    ImageFault.DAMAGED: SkipReason.DAMAGED,
}


class NotAPhotoFolder(ServeryError):
    """The folder has no folders with photos in them; says what it has instead."""


@dataclass(frozen=True)
class FolderPhoto:
    """An image file, not yet opened, and the class whose folder it is in."""

    path: Path
    class_name: str
    held_out: bool
    """It is in the test part: accuracy is measured with it, and nothing is learned from it."""


@dataclass(frozen=True)
class PhotoFolder:
    """What was found in a folder."""

    root: Path
    """The folder that the classes or parts are in: the one that was given, or one inside it."""
    photos: tuple[FolderPhoto, ...]
    """By class, then by path."""
    skipped: tuple[SkippedPath, ...]
    notes: tuple[str, ...]
    """Sentences about how the folder was understood."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that have a photo, in order."""
        return tuple(dict.fromkeys(photo.class_name for photo in self.photos))


@dataclass(frozen=True)
class Assignment:
    """Each photo once, however many files it is in, with its one class."""

    train: dict[str, str]
    """The class of each image, by the hash that was given for it."""
    held_out: dict[str, str]
    skipped: tuple[SkippedPath, ...]
    paths: dict[str, Path]
    """The file to read each image from."""


def scan_photo_folder(folder: Path, report: Report = no_report) -> PhotoFolder:
    """Find the classes of a folder and their photos; blocks, and opens few files.

    A class is a folder, whatever folders are in it. Where the folders are called train,
    test and val, their folders are the classes, and those of test (of val, without a test)
    are held out. If there is nothing but one folder, the classes are in that. Raises
    NotAPhotoFolder, with what was found instead.
    """
    try:
        tree, skipped = read_tree(folder.absolute(), report)
    except FileNotFoundError as error:
        raise NotAPhotoFolder(
            f"There is no folder {folder}.", "Check where the folder is now, then try again."
        ) from error
    except NotADirectoryError as error:
        raise NotAPhotoFolder(
            f"{folder.name} is a file.", "Choose a folder with one folder for each class."
        ) from error
    except OSError as error:
        raise reading_error(
            error,
            f"The folder {folder}",
            "Give yourself permission to read it, then try again.",
            NotAPhotoFolder,
        ) from error
    found = _Finding(skipped)
    root = _without_wrapping(tree)
    if root is not tree:
        found.notes.append(f"The classes are in the folder {root.path.relative_to(tree.path)}.")
    _check_is_photo_folder(root, skipped)
    found.leave_out(root.photos, SkipReason.NO_CLASS)
    parts = _parts(root)
    if parts:
        _add_parts(found, root, parts)
    else:
        found.add(root.folders, held_out=False)
    photos = found.photos_of_taught_classes()
    if not photos:
        raise _no_class(root, skipped)
    return PhotoFolder(root.path, photos, tuple(found.skipped), tuple(found.notes))


def assign_photos(read: Iterable[tuple[FolderPhoto, str]]) -> Assignment:
    """Decide which photos count, given the hash of the image in each.

    The same image in two classes is a conflict, of which nothing is kept. In the test
    part and elsewhere, it counts for the test alone; twice in a class, it counts once.
    The order of `read` does not matter.
    """
    same: defaultdict[str, list[FolderPhoto]] = defaultdict(list)
    for photo, image in read:
        same[image].append(photo)
    train: dict[str, str] = {}
    held_out: dict[str, str] = {}
    paths: dict[str, Path] = {}
    skipped: list[SkippedPath] = []
    for image, photos in same.items():
        photos.sort(key=lambda photo: (not photo.held_out, str(photo.path)))
        kept, *others = photos
        classes = sorted({photo.class_name for photo in photos})
        if len(classes) > 1:
            names = " and ".join(classes)
            skipped += [SkippedPath(p.path, SkipReason.TWO_CLASSES, names) for p in photos]
            continue
        (held_out if kept.held_out else train)[image] = kept.class_name
        paths[image] = kept.path
        for photo in others:
            in_test = kept.held_out and not photo.held_out
            reason = SkipReason.IN_TEST if in_test else SkipReason.SAME_PHOTO
            skipped.append(SkippedPath(photo.path, reason, kept.path.name))
    skipped.sort(key=lambda one: str(one.path))
    return Assignment(train, held_out, tuple(skipped), paths)


def skip_reason(path: Path, error: ImageError) -> SkippedPath:
    """Return why a photo that could not be read is skipped."""
    if isinstance(error, UnusableImage):
        return SkippedPath(path, _FAULTS[error.fault])
    return SkippedPath(path, SkipReason.CANNOT_BE_READ, error.what)


@dataclass
class _Finding:
    """What has been found so far."""

    skipped: list[SkippedPath]
    notes: list[str] = field(default_factory=list)
    _photos: list[tuple[Path, str, bool]] = field(default_factory=list)
    _spellings: Counter[str] = field(default_factory=Counter)

    def leave_out(self, photos: Iterable[Path], reason: SkipReason) -> None:
        self.skipped += [SkippedPath(path, reason) for path in photos]

    def add(self, folders: Iterable[PhotoTree], *, held_out: bool) -> None:
        """Take each folder as a class."""
        empty = []
        for folder in folders:
            photos = list(folder.all_photos())
            try:
                name = checked_class_name(folder.name)
            except ClassNameError:
                self.leave_out(photos, SkipReason.NO_CLASS_NAME)
                continue
            if not photos:
                empty.append(name)
            self._photos += [(path, name, held_out) for path in photos]
            self._spellings[name] += len(photos)
        if empty:
            verb = "has" if len(empty) == 1 else "have"
            self.notes.append(f"{_listed(empty)} {verb} no photos.")

    def photos_of_taught_classes(self) -> tuple[FolderPhoto, ...]:
        """Return the photos, with one spelling for each class; the notes say which."""
        spellings: defaultdict[str, list[str]] = defaultdict(list)
        # The one with most photos first, then in the order of the alphabet.
        for name, _ in sorted(self._spellings.items(), key=lambda item: (-item[1], item[0])):
            spellings[name.casefold()].append(name)
        for names in spellings.values():
            if len(names) > 1:
                self.notes.append(f"{_listed(sorted(names))} are one class, {names[0]}.")
        taught = {name.casefold() for _, name, held_out in self._photos if not held_out}
        untaught = [one for one in self._photos if one[1].casefold() not in taught]
        self.leave_out((path for path, _, _ in untaught), SkipReason.NOT_TAUGHT)
        photos = [
            FolderPhoto(path, spellings[name.casefold()][0], held_out)
            for path, name, held_out in self._photos
            if name.casefold() in taught
        ]
        photos.sort(key=lambda photo: (photo.class_name.casefold(), str(photo.path)))
        return tuple(photos)


def _without_wrapping(tree: PhotoTree) -> PhotoTree:
    """Return the folder that the classes are in: archives often unpack to a folder in a folder."""
    while not tree.photos:
        with_photos = [folder for folder in tree.folders if folder.has_photos()]
        if len(with_photos) != 1 or with_photos[0].photos:
            break
        (tree,) = with_photos
    return tree


def _parts(root: PhotoTree) -> list[PhotoTree]:
    """Return the folders that are parts rather than classes.

    A folder of trains may be called train: it is a part only if it has folders with
    photos, and nothing beside it speaks against that.
    """
    with_photos = [folder for folder in root.folders if folder.has_photos()]
    parts = [
        folder
        for folder in with_photos
        if _is_named(folder, _PARTS) and any(map(PhotoTree.has_photos, folder.folders))
    ]
    others = [folder for folder in with_photos if folder not in parts]
    has_train = any(_is_named(folder, _TRAIN) for folder in parts)
    has_test = any(not _is_named(folder, _TRAIN) for folder in parts)
    if has_train and (has_test or all(_is_flat_part(folder) for folder in others)):
        return parts
    classes = {folder.name.casefold() for folder in others}
    in_parts = {folder.name.casefold() for part in parts for folder in part.folders}
    return parts if has_test and not has_train and classes & in_parts else []


def _is_named(folder: PhotoTree, names: frozenset[str]) -> bool:
    return folder.name.casefold() in names


def _is_flat_part(folder: PhotoTree) -> bool:
    """Say whether it is named like a part, but its photos are in no class."""
    return _is_named(folder, _PARTS) and bool(folder.photos)


def _add_parts(found: _Finding, root: PhotoTree, parts: list[PhotoTree]) -> None:
    train, test, validation = (
        [folder for folder in parts if _is_named(folder, names)]
        for names in (_TRAIN, _TEST, _VALIDATION)
    )
    held_out = test or validation
    for part in parts:
        found.add(part.folders, held_out=part in held_out)
        found.leave_out(part.photos, SkipReason.NO_CLASS)
    others = [folder for folder in root.folders if folder not in parts]
    if train:
        for folder in others:
            found.leave_out(folder.all_photos(), SkipReason.NO_CLASS)
    else:
        found.add(others, held_out=False)
    for folder in held_out:
        found.notes.append(f"The photos in {folder.name} are held out to measure accuracy.")
    for folder in validation if test else ():
        found.notes.append(f"The photos in {folder.name} are learned from, since there is a test.")


def _check_is_photo_folder(root: PhotoTree, skipped: list[SkippedPath]) -> None:
    """Raise NotAPhotoFolder unless a folder in this one could be a class."""
    with_photos = [folder for folder in root.folders if folder.has_photos()]
    if not with_photos:
        raise _no_class(root, skipped)
    if all(_is_flat_part(folder) for folder in with_photos):
        photos = sum(len(folder.photos) for folder in with_photos)
        names = _listed([folder.name for folder in with_photos])
        raise NotAPhotoFolder(
            f"{names} {'holds' if len(with_photos) == 1 else 'hold'} {_photos(photos)}"
            " but no folders of classes.",
            "Put the photos of each class into a folder named after it.",
        )


def _no_class(root: PhotoTree, skipped: list[SkippedPath]) -> NotAPhotoFolder:
    advice = "Put the photos of each class into a folder named after it."
    if root.photos:
        folders = "no folders with photos" if root.folders else "no folders"
        return NotAPhotoFolder(
            f"The folder holds {_photos(len(root.photos))} but {folders}.", advice
        )
    if root.has_photos():
        return NotAPhotoFolder("No folder in it has a name that a class can have.", advice)
    others = [entry.path for entry in skipped if entry.reason is SkipReason.NOT_AN_IMAGE]
    if not others:
        return NotAPhotoFolder("The folder holds no photos.", advice)
    kinds = Counter(path.suffix.lower() for path in others if path.suffix)
    most = f", most of them {kinds.most_common(1)[0][0]}" if kinds else ""
    files = "1 file" if len(others) == 1 else f"{len(others):,} files"
    return NotAPhotoFolder(f"The folder holds {files} but no photos{most}.", advice)


def _listed(names: list[str]) -> str:
    shown, more = names[:_NAMED], len(names) - _NAMED
    if more > 0:
        return f"{', '.join(shown)} and {more:,} more"
    *before, last = shown
    return f"{', '.join(before)} and {last}" if before else last


def _photos(count: int) -> str:
    return "1 photo" if count == 1 else f"{count:,} photos"
