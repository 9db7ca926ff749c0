"""Imported networks against the plain Keras export of the same network: photos a second.

    python -m tests.benchmarks.export [--models MobileNetV2 ResNet50 …] [--rounds 5]

All take JPEG files, decode and scale them in the same way, and are loaded as an instance loads a
version, in one process, which classifies the same photos with them in turns: Keras's export and the
imported version on TensorFlow, and the imported version on the runtime that its card says, as it is
served. MobileNetV2 has its
real weights (`KERAS_HOME` on a copy of the shared data); the others have random ones, with which
the time is the same. Of the rounds the fastest counts, since other programs only make them slower;
`of a core` compares the time of the processor of what is served instead.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
BATCH = 8
ROUNDS = 5
MODELS = (
    *("MobileNetV2", "MobileNet", "MobileNetV3Small", "MobileNetV3Large", "EfficientNetV2B0"),
    *("ResNet50", "ResNet50V2", "InceptionV3", "DenseNet121", "Xception", "ConvNeXtTiny"),
)
WITH_WEIGHTS = "MobileNetV2"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--photos", type=int, default=4 * BATCH)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    photos = sorted((DATA / "photos").glob("*.JPEG"))[: 4 * BATCH]
    jpegs = [path.read_bytes() for path in photos[: arguments.photos]]
    if arguments.measure is not None:
        _print_speeds(arguments.measure, jpegs, arguments.rounds)
        return
    print(
        f"{'network':<20}{'plain':>8}{'imported':>10}{'times':>7}{'served':>8}{'times':>7}"
        f"{'of a core':>11}{'differs':>10}  runtime"
    )
    with tempfile.TemporaryDirectory() as folder:
        os.environ["KERAS_HOME"] = str(_keras_home(Path(folder)))
        for name in arguments.models:
            _measure(name, Path(folder) / name, jpegs, arguments.rounds)


def _keras_home(folder: Path) -> Path:
    """Return a copy of the shared weights: Keras writes into the folder that has them."""
    home = folder / "keras"
    if (DATA / "keras").is_dir():
        shutil.copytree(DATA / "keras", home)
    return home


def _measure(name: str, folder: Path, jpegs: list[bytes], rounds: int) -> None:
    import keras

    from serving.importing.facts import find_interface
    from serving.importing.hints import hints_of_names
    from serving.importing.interface import Resize
    from serving.importing.keras_source import source_of
    from serving.importing.label_files import imagenet_labels
    from serving.importing.write import write_version
    from serving.models.card import ModelCard
    from serving.tf.runtime_choice import read_choice

    weights = "imagenet" if name == WITH_WEIGHTS else None
    model = getattr(keras.applications, name)(weights=weights)
    source = source_of(model, hints=hints_of_names([model.name]))
    interface = replace(find_interface(source, []), resize=Resize.CROP)
    labels = imagenet_labels(interface.classes)
    assert labels is not None
    ours, plain = folder / "imported", folder / "plain"
    ours.mkdir(parents=True)
    card = ModelCard(name, ())
    written = write_version(ours, source, interface, labels, card=card, photos=jpegs[:4])
    _write_plain(plain, model, interface)
    # In a process of its own, which has no TensorFlow of Python, as an instance has none.
    command = [sys.executable, "-m", "tests.benchmarks.export", "--measure", str(folder)]
    measured = subprocess.run(
        [*command, "--rounds", str(rounds), "--photos", str(len(jpegs))],
        check=True,
        capture_output=True,
        text=True,
    )
    speeds = json.loads(measured.stdout)
    (plain, plain_core), (folded, _) = speeds["plain"], speeds["imported"]
    served, served_core = speeds["served"]
    choice = read_choice(ours)
    print(
        f"{name:<20}{plain:>8.1f}{folded:>10.1f}{folded / plain:>7.2f}{served:>8.1f}"
        f"{served / plain:>7.2f}{served_core / plain_core:>11.2f}{written.difference:>10.1e}"
        f"  {choice.runtime} {choice.precision}",
        flush=True,
    )
    shutil.rmtree(folder)
    keras.backend.clear_session()


def _print_speeds(folder: Path, jpegs: list[bytes], rounds: int) -> None:
    """Print of each version the most photos a second, and a second of one core, as JSON."""
    from serving.model_server.loader import AUTO
    from serving.tf.runtime_choice import TENSORFLOW

    runs = {
        "plain": _runner(folder / "plain", TENSORFLOW),
        "imported": _runner(folder / "imported", TENSORFLOW),
        "served": _runner(folder / "imported", AUTO),
    }
    seconds: dict[str, list[tuple[float, float]]] = {kind: [] for kind in runs}
    for turn in range(rounds + 1):
        for kind, run in runs.items():
            began, worked = time.perf_counter(), time.process_time()
            for at in range(0, len(jpegs), BATCH):
                run(jpegs[at : at + BATCH])
            if turn:  # the first one prepares
                spent = (time.perf_counter() - began, time.process_time() - worked)
                seconds[kind].append(spent)
    print(
        json.dumps(
            {
                kind: [len(jpegs) / min(each) for each in zip(*found, strict=True)]
                for kind, found in seconds.items()
            }
        )
    )


def _write_plain(folder: Path, model: Any, interface: Any) -> None:
    """Write what Keras and TensorFlow export, with the same pixels in front of it."""
    import keras
    import tensorflow as tf

    from serving.importing.pixels import decode_photo, input_size, network_input
    from serving.models.servable import decoded

    def decode(image: Any) -> Any:
        return decode_photo(image, interface)

    def serve(images: Any) -> dict[str, Any]:
        pixels = decoded(images, decode, (*input_size(interface), 3))
        return {"scores": model(network_input(pixels, interface), training=False)}

    archive = keras.export.ExportArchive()
    archive.track(model)
    images = tf.TensorSpec([None], tf.string, name="images")
    archive.add_endpoint("serving_default", serve, input_signature=[images])
    archive.write_out(str(folder), verbose=False)


def _runner(folder: Path, runtime: str) -> Callable[[list[bytes]], Any]:
    """Return what answers a batch as an instance does."""
    from serving.model_server.loader import Loader
    from serving.tf.names import DEFAULT_SIGNATURE
    from serving.tf.tensors import string_tensor

    session = Loader(runtime=runtime).load("", 0, folder).session
    signature = session.signatures[DEFAULT_SIGNATURE]
    compute = session.computation(
        [signature.inputs["images"].name], [signature.outputs["scores"].name]
    )
    return lambda jpegs: compute([string_tensor(jpegs)], None)


if __name__ == "__main__":
    main()
