"""Names that a class, a file or a model could have if somebody meant harm."""

from __future__ import annotations

from pathlib import Path

NAMES = {
    "markup": '<img src="file:///usr/share/pixmaps/x.png" width=3000 height=9000>',
    "a link": '<a href="http://127.0.0.1:9/">click</a><br><br><br><h1>big</h1>',
    "entities": "&lt;b&gt; &amp; &nbsp;",
    "the head of an XML file": '<?xml version="1.0"?><b>bold</b>',
    "markup behind spaces": "   <table><tr><td width=5000>wide</td></tr></table>",
    "an ampersand": "R&D & Q&A",
    "10,000 characters": "one hundred otters " * 526,
    "an unbroken word": "w" * 5_000,
    "newlines": "otter\n" * 300,
    "tabs and returns": "otter\t\t\tsea\rriver\x0b\x0cbank",
    "combining marks": "".join(char + "\u0336\u0353\u0300\u035b" * 40 for char in "otter"),
    "an override": "photo\u202egpj.exe",
    "zero width": "o\u200bt\u200ct\u200de\u2060r\ufeff",
    "emoji": "🦦👩\u200d👩\u200d👧\u200d👦🏳️\u200d🌈" * 30,
    "a script without spaces": "獺" * 2_000,
    "escape sequences": "\x1b[2J\x1b]0;owned\x07\x9b31m",
    "formulas": '=HYPERLINK("http://127.0.0.1:9")',
}


def photo_in(folder: Path, name: str) -> Path:
    """Return the path of a photo of this name, as far as a file system takes it."""
    return folder / (name.replace("/", "_").replace("\0", "_")[:60] + ".jpg")
