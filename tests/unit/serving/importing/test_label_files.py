"""Names of classes come in the order that their file states."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serving.importing.label_files import (
    MAX_LABEL_BYTES,
    UnusableLabels,
    check_count,
    imagenet_labels,
    parse_labels,
    read_labels,
)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("labels.txt", "zebra\ncat\n\n apple \n", ("zebra", "cat", "apple")),
        ("labels.txt", "0 zebra\n1 cat\n2 red apple\n", ("zebra", "cat", "red apple")),
        ("labels.txt", "1 cat\n0 zebra\n", ("zebra", "cat")),
        ("labels.txt", "0: zebra\n1: cat\n", ("zebra", "cat")),
        ("labels.txt", "007\nt-shirt\n", ("007", "t-shirt")),
        ("labels.txt", "1 euro\n2 euro\n", ("1 euro", "2 euro")),
        ("synset.txt", "n02 tench\nn01440764 tench, Tinca\n", ("n02 tench", "tench, Tinca")),
        ("labels.txt", "\ufeffzebra\r\ncat\r\n", ("zebra", "cat")),
        ("labels.txt", "crane\nCrane\ncrane\n", ("crane", "Crane (2)", "crane (3)")),
        ("labels.csv", "zebra\ncat\n", ("zebra", "cat")),
        ("labels.csv", "index,name\n1,cat\n0,zebra\n", ("zebra", "cat")),
        ("labels.csv", 'name,count\n"zebra, plain",3\ncat,4\n', ("zebra, plain", "cat")),
        ("labels.csv", "1;cat\n0;zebra\n", ("zebra", "cat")),
        ("labels.csv", "0,n01440764,zebra\n1,n01443537,cat\n", ("zebra", "cat")),
        ("labels.tsv", "0\tzebra\n1\tcat\n", ("zebra", "cat")),
        ("labels.json", '["zebra", "cat"]', ("zebra", "cat")),
        ("labels.json", '{"1": "cat", "0": "zebra"}', ("zebra", "cat")),
        ("labels.json", '{"10": "k", "2": "c", "1": "b", "3": "d", "4": "e", "5": "f", "6": "g",'
         ' "7": "h", "8": "i", "9": "j"}', tuple("bcdefghijk")),
        ("class_indices.json", '{"cat": 1, "zebra": 0}', ("zebra", "cat")),
        ("imagenet.json", '{"0": ["n01440764", "tench"], "1": ["n0144", "goldfish"]}',
         ("tench", "n0144")),
        ("imagenet.json", '{"0": ["n01440764", "tench"], "1": ["n01443537", "goldfish"]}',
         ("tench", "goldfish")),
        ("names.json", '[{"id": 0, "name": "zebra"}, {"id": 1, "name": "cat"}]', ("zebra", "cat")),
        ("signature.json", '{"doc_id": "x", "classes": {"Label": ["zebra", "cat"]}}',
         ("zebra", "cat")),
    ],
)  # fmt: skip
def test_files_are_read_in_their_own_order(
    name: str, content: str, expected: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode())
    assert read_labels(path) == expected


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("labels.txt", b"\xff\xfe\x00", "not text in UTF-8"),
        ("labels.txt", b"\n\n", "names no class"),
        ("labels.txt", "a\u200bb\n".encode(), "cannot be shown"),
        ("labels.txt", b"x" * 101, "longer than 100 characters"),
        ("labels.json", b"{", "not JSON"),
        ("labels.json", b"[" * 100_000, "not JSON"),
        ("labels.json", b"3", "neither a list of names nor a map"),
        ("labels.json", b'{"a": "b"}', "neither a list of names nor a map"),
        ("labels.json", b'{"0": "a", "2": "b"}', "have gaps or come twice"),
        ("labels.json", b'{"a": 0, "b": 0}', "have gaps or come twice"),
        ("labels.json", b"[1, 2]", "one of its entries is no name"),
        ("labels.csv", b"index,name\n0,cat\nx,dog\n", "is not a whole number"),
        ("labels.csv", b"index,name\n0,cat\n1\n", "fewer columns"),
    ],
)
def test_what_is_no_list_of_names_is_refused(
    name: str, content: bytes, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(UnusableLabels) as refused:
        parse_labels(content, tmp_path / name)
    assert reason in str(refused.value)


def test_a_file_beyond_all_measure_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    with path.open("wb") as file:
        file.truncate(MAX_LABEL_BYTES + 1)
    with pytest.raises(UnusableLabels, match="larger than 64 MB"):
        read_labels(path)
    with pytest.raises(UnusableLabels, match="cannot be read"):
        read_labels(tmp_path / "missing.txt")


def test_both_numbers_are_named_if_they_differ() -> None:
    with pytest.raises(UnusableLabels) as refused:
        check_count(["x"] * 999, 1000, "labels.txt")
    assert "1,000 scores" in str(refused.value)
    assert "999 labels" in str(refused.value)
    check_count(["a", "b"], 2, "labels.txt")


def test_imagenet_is_known_by_its_number_of_classes() -> None:
    names = imagenet_labels(1000)
    assert names is not None
    assert names[1] == "goldfish"
    with_background = imagenet_labels(1001)
    assert with_background is not None
    assert with_background[:3] == ("background", names[0], names[1])
    assert imagenet_labels(10) is None


def test_long_lines_of_synonyms_keep_the_first(tmp_path: Path) -> None:
    line = "tench, " + ", ".join(f"Tinca tinca {number}" for number in range(20))
    assert parse_labels(json.dumps([line, "cat"]).encode(), tmp_path / "a.json") == ("tench", "cat")
