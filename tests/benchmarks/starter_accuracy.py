"""How good the starter model is: `python -m tests.benchmarks.starter_accuracy`.

Installs the starter model as a first start does, then sends CIFAR-10's 10,000
test files and the photos of the shared data through its `predict_images`
signature and prints the share of right answers, class by class.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from serving.models.repository import ModelRepository
from serving.models.starter.export import LoadedServable, files_by_class, photo_answers
from serving.models.starter.install import install_starter

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def main() -> None:
    if not DATA.is_dir():
        sys.exit(f"The data for this benchmark is not at {DATA}.")
    with tempfile.TemporaryDirectory() as folder:
        servable = LoadedServable(install_starter(ModelRepository(Path(folder))).path)
        right = images = 0
        for name, files in sorted(files_by_class(DATA / "cifar10-jpeg.tar.xz", "test").items()):
            answers = servable.run("predict_images", files)["classes"][:, 0]
            correct = sum(answer == name.encode() for answer in answers)
            print(f"{name:12} {correct / len(files):7.1%} of {len(files):,}")
            right, images = right + correct, images + len(files)
        print(f"{'all':12} {right / images:7.2%} of {images:,} test files")
        photos = photo_answers(servable, DATA / "photos")
        for name, answer in photos["answers"].items():
            mark = "" if answer["shows"] == answer["answer"] else f"  (shows {answer['shows']})"
            print(f"{name:34} {answer['answer']:12} {answer['score']:6.0%}{mark}")
        print(f"photos: {photos['right']} of {photos['images']}")


if __name__ == "__main__":
    main()
