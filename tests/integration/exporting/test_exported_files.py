"""Versions exported by the real program, run where there is no Servery."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.training.loaded_version import LoadedVersion
from serving.errors import ModelError, ServeryError
from serving.exporting.reading import PhotoReading
from serving.exporting.request import PROGRAM
from serving.job_program import run_job
from serving.models.builtin.catalog import DEFAULT_BUILT_IN, ZOOM, built_in_model
from serving.models.builtin.install import install_built_in
from serving.models.repository import ModelRepository
from serving.models.version import Version
from serving.normalize_image import normalize_image
from tests.conftest import ROOT
from tests.support.sample_images import painting
from tests.support.tiny_model import COLORS, install_tiny

WITHOUT_SERVERY = """
import json, runpy, sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
try:
    import serving
except ImportError:
    pass
else:
    raise SystemExit("Servery is on the path")
sys.argv = ["classify.py"]
names = runpy.run_path("classify.py")
scores = {p: names["classify"](names["read_photo"](p)).tolist() for p in json.load(sys.stdin)}
json.dump(scores, open("scores.json", "w"))
"""


async def export(version: Version, kind: str, target: Path, **more: Any) -> dict[str, Any]:
    request = {
        "version_folder": str(version.path),
        "format": kind,
        "target": str(target),
        "umask": 0o022,
        "photos": [],
        **more,
    }
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}
    return dict(await run_job(PROGRAM, json.dumps(request), "The export", environment))


def scores_of(folder: Path, photos: list[Path]) -> Any:
    """Return the scores that an export gives photos, float [N, C], in a process of its own."""
    site = sysconfig.get_path("purelib")
    subprocess.run(
        [sys.executable, "-I", "-S", "-c", WITHOUT_SERVERY, str(folder), site],
        input=json.dumps([str(photo) for photo in photos]),
        text=True,
        check=True,
        cwd=folder,
        capture_output=True,
    )
    found = json.loads((folder / "scores.json").read_text())
    return np.array([found[str(photo)] for photo in photos])


def live_scores(version: Version, photos: list[Path]) -> Any:
    """Return what the version answers, [N, C] in the order of its classes; 0 beyond the best."""
    classes = version.card().classes
    with LoadedVersion(version.path) as loaded:
        answers, scores = loaded.predict([normalize_image(p.read_bytes()) for p in photos])
    rows = np.full((len(photos), len(classes)), np.nan)
    for row, names, values in zip(rows, answers, scores, strict=True):
        row[[classes.index(name.decode()) for name in names]] = values
    return rows


@pytest.fixture
def tiny(tmp_path: Path) -> Version:
    return install_tiny(ModelRepository(tmp_path / "workspace" / "models"))


@pytest.fixture
def paintings(tmp_path: Path) -> list[Path]:
    made = []
    for number, color in enumerate(COLORS.values()):
        path = tmp_path / f"{color}.jpg"
        path.write_bytes(painting(color, number))
        made.append(path)
    return made


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
async def test_an_exported_file_gives_the_scores_of_the_version(
    tmp_path: Path, tiny: Version, paintings: list[Path], kind: str
) -> None:
    target = tmp_path / "out"
    done = await export(tiny, kind, target, photos=[str(paintings[0]), str(tmp_path / "gone")])
    assert done["photos"] == 5
    assert done["largest_difference"] < 1e-5
    found = scores_of(target, paintings)
    assert np.abs(found - live_scores(tiny, paintings)).max() < 1e-3
    assert (target / "labels.txt").read_text().splitlines() == list(COLORS)
    assert json.loads((target / "card.json").read_text())["name"] == "pets"
    manifest = json.loads((target / "export.json").read_text())
    assert (manifest["model"], manifest["version"], manifest["format"]) == ("pets", 1, kind)
    assert target.stat().st_mode & 0o777 == 0o755
    assert (target / f"model.{kind}").stat().st_mode & 0o777 == 0o644


async def test_a_saved_model_is_a_folder_as_tensorflow_serving_takes_it(
    tmp_path: Path, tiny: Version
) -> None:
    target = tmp_path / "out"
    done = await export(tiny, "savedmodel", target)
    assert done == {"photos": 4, "largest_difference": 0.0, "bytes": done["bytes"]}
    copied = ModelRepository(tmp_path).version("out", 1)
    assert copied.card() == tiny.card()
    assert (target / "card.json").read_bytes() == (
        tiny.path / "assets.extra" / "servery.json"
    ).read_bytes()
    with LoadedVersion(copied.path) as loaded:
        classes, _ = loaded.predict([painting("red", 1)])
    assert classes[0][0] == b"red"


async def test_a_saved_model_can_be_a_zip_file(tmp_path: Path, tiny: Version) -> None:
    target = tmp_path / "out.zip"
    await export(tiny, "savedmodel", target)
    with zipfile.ZipFile(target) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert {"1/saved_model.pb", "card.json", "labels.txt", "export.json"} <= set(names)


async def test_what_exists_is_refused_by_the_program(tmp_path: Path, tiny: Version) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ModelError, match="exists"):
        await export(tiny, "savedmodel", tmp_path / "out")


async def test_a_version_that_was_changed_on_disk_is_refused(tmp_path: Path, tiny: Version) -> None:
    (tiny.path / "assets.extra" / "servery.json").write_text("{}")
    with pytest.raises(ModelError, match="changed on disk"):
        await export(tiny, "savedmodel", tmp_path / "out")


async def test_a_cancelled_export_leaves_nothing(tmp_path: Path, tiny: Version) -> None:
    reached = asyncio.Event()

    def report(done: int, total: int, text: str) -> None:
        if done >= 20:
            reached.set()

    request = {
        "version_folder": str(tiny.path),
        "format": "tflite",
        "target": str(tmp_path / "out" / "file"),
        "umask": 0o022,
        "photos": [],
    }
    (tmp_path / "out").mkdir()
    job = asyncio.create_task(run_job(PROGRAM, json.dumps(request), "The export", {}, report))
    await reached.wait()
    assert len(list((tmp_path / "out").iterdir())) == 1
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert not (tmp_path / "out" / "file").exists()
    # What the killed process left is recognised, and gone with the next export.
    await export(tiny, "savedmodel", tmp_path / "out" / "other")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["other"]


async def test_a_program_that_ends_without_an_answer_is_a_sentence() -> None:
    with pytest.raises(ServeryError, match=r"The export ended unexpectedly \(code 1\)"):
        await run_job("no.such.program", "{}", "The export", {})


@pytest.mark.slow
@pytest.mark.parametrize("kind", [pytest.param("tflite", marks=pytest.mark.long), "onnx"])
async def test_the_lines_in_the_documentation_read_photos_for_an_exported_file(
    tmp_path: Path, photos: list[Path], kind: str
) -> None:
    text = (ROOT / "docs" / "exporting.md").read_text()
    (lines,) = re.findall(r"```python\n(\"\"\"Reads a photo.*?)```", text, re.DOTALL)
    side = built_in_model(DEFAULT_BUILT_IN).input_side
    assert lines == PhotoReading(side, side, zoom=ZOOM).text
    body = lines.partition("def read_photo")[2].splitlines()
    assert len(body) - 2 <= 10
    version = install_built_in(ModelRepository(tmp_path / "models"), DEFAULT_BUILT_IN)
    target = tmp_path / "out"
    await export(version, kind, target)
    (target / "read_photo.py").write_text(lines)
    # As instances get them: the lines leave color profiles alone.
    normalized = [tmp_path / f"{number}.jpg" for number in range(len(photos))]
    for path, photo in zip(normalized, photos, strict=True):
        path.write_bytes(normalize_image(photo.read_bytes()))
    difference = np.abs(scores_of(target, normalized) - live_scores(version, normalized))
    assert np.nanmax(difference) < 1e-3
