"""How many actions it takes to label photos by groups of look-alikes.

    python -m tests.benchmarks.naming_groups [--data FOLDER-PER-CLASS] [--pool 300] [--photos 100]

Runs the application with a workspace of its own, puts photos of the first ten classes into its
pool, and labels with key events and clicks, each group by what most of it shows, exceptions clicked
away, until so many photos and all classes are labelled. A name that is typed is one action, as a
key and a click are. At the end the labels in the backend are compared with the folders. Needs a
screen; QT_QPA_PLATFORM=offscreen does.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from desktop.app import App, Options
from desktop.learn.page import LearnPage
from desktop.main_window import PageName
from serving.workspace import Workspace
from tests.benchmarks.waits import NeverCame, reach, run_window
from tests.support.labelling_walk import Walker

TRASHNET = Path(__file__).resolve().parents[3] / "shared" / "data" / "trashnet" / "train"
MAX_CLASSES = 10
_COMPUTING = 300.0
"""Seconds that finding groups may take on a busy machine."""


async def measure(app: App, files: dict[Path, str], photos: int) -> None:
    backend = await app.backend
    truth = {}
    for file, name in files.items():
        added = await backend.add_to_pool(await asyncio.to_thread(file.read_bytes))
        truth[added.image] = f"my {name}"  # new, whatever the model knows
    app.window.show_page(PageName.LEARN)
    page = app.window.page(PageName.LEARN)
    assert isinstance(page, LearnPage)
    walker = Walker(page, truth, _COMPUTING)
    try:
        await walker.name_groups(until=photos)
    except AssertionError as error:
        raise NeverCame(
            f"Gave up: waited for a group of photos that look alike: {error}"
        ) from error

    async def all_arrived() -> bool:
        return (await backend.labels()).total == len(walker.labelled)

    await reach("all labels to be in the backend", all_arrived, _COMPUTING)
    right = 0
    for image in walker.labelled:
        right += (await backend.labels_of(image))[0].class_name == truth[image]
    effort, classes = walker.effort, len(set(walker.labelled.values()))
    print(f"{effort.actions} actions ({effort.keys} keys and clicks) label {len(walker.labelled)}")
    print(f"of {len(truth)} photos in {classes} classes, {right} of them right")


def main() -> int:
    parser = argparse.ArgumentParser(description="Count the actions that labelling takes.")
    parser.add_argument("--data", type=Path, default=TRASHNET, help="one folder a class")
    parser.add_argument("--pool", type=int, default=300, help="photos to choose from")
    parser.add_argument("--photos", type=int, default=100, help="how many to label at least")
    arguments = parser.parse_args()
    folders = sorted(each for each in arguments.data.iterdir() if each.is_dir())
    folders = folders[:MAX_CLASSES]
    each = -(-arguments.pool // len(folders))
    files = {file: folder.name for folder in folders for file in sorted(folder.iterdir())[:each]}
    with tempfile.TemporaryDirectory(prefix="servery-") as workspace:
        return run_window(
            Options(Workspace(Path(workspace)), engine="process"),
            lambda app: measure(app, files, arguments.photos),
        )


if __name__ == "__main__":
    sys.exit(main())
