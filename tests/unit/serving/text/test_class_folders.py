"""Every class gets a folder of its own, on file systems without capitals too."""

from __future__ import annotations

import unicodedata

import pytest

from serving.text.class_folders import NO_CLASS, class_folders
from tests.support.many_labels import AWKWARD_NAMES

NAMES = (
    *AWKWARD_NAMES,
    *("Cat", "cat", "CAT", "trailing ", " leading", "strasse", "STRASSE", "x" * 300, "x" * 301),
    *("é", "e\u0301", ".", "...", "/", "//", "\x00", "lpt1.jpg", "A" * 119 + "é", ".no-class"),
)


def test_all_folders_are_different_and_possible(tmp_path_factory: pytest.TempPathFactory) -> None:
    folders = class_folders(NAMES, taken=("labels.csv",))
    assert set(folders) == set(NAMES)
    without_capitals = {unicodedata.normalize("NFKC", name).casefold() for name in folders.values()}
    assert len(without_capitals) == len(set(NAMES))
    root = tmp_path_factory.mktemp("classes")
    for name in folders.values():
        (root / name).mkdir()
        assert len(name.encode()) <= 130
        assert not set(name) & set('<>:"/\\|?*\x00')
        assert name[-1] not in ". "
        assert name[0] != "."
    assert NO_CLASS not in folders.values()
    assert "labels.csv" not in folders.values()
    assert len(list(root.iterdir())) == len(set(NAMES))


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("cat", "cat"),
        ("giant panda", "giant panda"),
        ("and/or", "and%2For"),
        ("..", "%2E%2E"),
        (".hidden", "%2Ehidden"),
        ("50%", "50%25"),
        ("con", "%63on"),
        ("dot.", "dot%2E"),
        ("大熊猫", "大熊猫"),
    ],
)
def test_a_folder_is_called_like_its_class_if_it_can_be(name: str, folder: str) -> None:
    assert class_folders([name]) == {name: folder}


def test_the_names_do_not_depend_on_the_order() -> None:
    assert class_folders(NAMES) == class_folders(reversed(NAMES))
