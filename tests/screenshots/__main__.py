"""Pictures of the real application, for the README and for review.

    python -m tests.screenshots OUT [--photos FOLDER] [--size 1200x780] [--classes FOLDER]
    python -m tests.screenshots OUT --teach FOLDER [--size 1400x900 --size 760x520]

Runs the application with a workspace of its own. The first drops photos on it, makes a model
from a folder with one folder a class, teaches it, and saves each page in light and dark. The
second drops photos from a folder with one folder a class, labels a part of them, some wrongly,
and saves every view of the Learn page. Needs a screen; Xvfb or QT_QPA_PLATFORM=offscreen do.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Awaitable
from pathlib import Path

from desktop.app import App, Options, run
from serving.workspace import Workspace
from tests.screenshots.teaching import teaching_tour
from tests.screenshots.tour import tour

PHOTOS = Path(__file__).resolve().parents[3] / "shared" / "data" / "photos"
SIZE = (1200, 780)


def main() -> None:
    parser = argparse.ArgumentParser(description="Save pictures of the application.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--max-photos", type=int, default=24, help="how many photos to drop")
    parser.add_argument("--classes", type=Path, help="a folder with one folder a class")
    parser.add_argument(
        "--teach", type=Path, help="a folder with one folder a class, for the Learn page alone"
    )
    parser.add_argument(
        "--size",
        type=_size,
        action="append",
        help="of the window; with --teach it may be given several times",
    )
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    sizes = arguments.size or [SIZE]
    photos = sorted(path for path in arguments.photos.glob("*") if path.suffix != ".csv")

    with tempfile.TemporaryDirectory(prefix="servery-") as folder:

        def drive(app: App) -> Awaitable[None]:
            if arguments.teach is not None:
                return teaching_tour(app, arguments.out, arguments.teach, Path(folder), sizes)
            shown = photos[: arguments.max_photos]
            files = Path(folder) / "models"
            return tour(app, arguments.out, shown, sizes[0], arguments.classes, files)

        run(Options(Workspace(Path(folder) / "workspace")), drive)


def _size(text: str) -> tuple[int, int]:
    width, height = text.split("x")
    return int(width), int(height)


if __name__ == "__main__":
    main()
