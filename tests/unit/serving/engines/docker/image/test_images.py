from __future__ import annotations

import pytest

from serving.engines.docker.discovery import EngineInfo
from serving.engines.docker.image.compatibility import IncompatibleImage, check_compatible
from serving.engines.docker.image.constants import IMAGES
from serving.engines.docker.image.lookup import ImageInfo, image_missing
from serving.engines.docker.image.pull_progress import PullProgress


def info(architecture: str = "amd64", *runtimes: str) -> EngineInfo:
    return EngineInfo(
        "Docker Engine 20.10.24", "1.41", "linux", architecture, 2, False, True, runtimes
    )


@pytest.mark.parametrize(
    ("image", "engine", "features", "words"),
    [
        (ImageInfo("a:1", ("linux/amd64",)), info(), {"avx"}, ""),
        (ImageInfo("a:1"), info(), {"avx"}, ""),
        (ImageInfo("a:1"), info(), set(), ""),
        (ImageInfo("a:1", ("linux/amd64", "linux/arm64")), info("arm64"), set(), ""),
        (ImageInfo("a:1", ("linux/amd64",)), info("arm64"), set(), "made for linux/amd64"),
        (ImageInfo("a:1"), info(), {"sse4_2"}, "with AVX"),
        (ImageInfo("a:1"), info("arm64"), {"neon"}, ""),
        (ImageInfo("a:2.19.1-gpu"), info(), {"avx"}, "graphics processors"),
        (ImageInfo("a:latest-gpu"), info("amd64", "nvidia"), {"avx"}, ""),
        (ImageInfo("gpu/a:1"), info(), {"avx"}, ""),
    ],
)
def test_an_image_that_cannot_run_here_is_an_error_with_advice(
    image: ImageInfo, engine: EngineInfo, features: set[str], words: str
) -> None:
    if not words:
        check_compatible(image, engine, features)
        return
    with pytest.raises(IncompatibleImage, match=words) as caught:
        check_compatible(image, engine, features)
    assert caught.value.advice


def test_our_own_image_is_known_by_its_label() -> None:
    said = {
        "Os": "linux",
        "Architecture": "amd64",
        "Size": 7,
        "Config": {"Labels": {"io.servery.image": "0.1.0"}},
    }
    labels = {"io.servery.image": "0.1.0"}
    assert ImageInfo.read("x", said) == ImageInfo("x", ("linux/amd64",), 7, True, labels=labels)
    assert not ImageInfo.read("x", {"Config": {"Labels": None}}).own


def test_the_error_of_a_missing_image_has_the_ways_to_get_one() -> None:
    error = image_missing(IMAGES)
    assert all(name in error.what for name in IMAGES)
    assert "docker pull tensorflow/serving" in error.advice
    assert "servery image build" in error.advice
    assert "docker pull" not in image_missing(["mine:1"]).advice


def take(progress: PullProgress, now: float, name: str, status: str, *detail: int) -> None:
    current, total = detail or (0, 0)
    progress.update(
        {"id": name, "status": status, "progressDetail": {"current": current, "total": total}}, now
    )


def test_a_pull_has_one_figure_that_never_falls() -> None:
    progress = PullProgress()
    shares = []
    take(progress, 0, "latest", "Pulling from tensorflow/serving")
    messages: list[tuple[str, str, int, int]] = [
        ("a", "Pulling fs layer", 0, 0),
        ("b", "Pulling fs layer", 0, 0),
        ("c", "Already exists", 0, 0),
        ("a", "Downloading", 50, 100),
        ("a", "Downloading", 100, 100),
        ("b", "Waiting", 0, 0),
        ("b", "Downloading", 10, 900),
        ("a", "Verifying Checksum", 0, 0),
        ("a", "Extracting", 100, 100),
        ("a", "Pull complete", 0, 0),
        ("d", "Pulling fs layer", 0, 0),
        ("b", "Downloading", 900, 900),
        ("b", "Download complete", 0, 0),
        ("d", "Downloading", 5, 5),
        ("d", "Pull complete", 0, 0),
        ("b", "Extracting", 450, 900),
        ("b", "Pull complete", 0, 0),
    ]
    for now, (name, status, *detail) in enumerate(messages):
        take(progress, now, name, status, *detail)
        shares.append(progress.share)
    assert shares == sorted(shares)
    assert shares[0] < 0.1
    assert shares[-2] < 1
    assert shares[-1] == pytest.approx(1)
    assert progress.loaded == progress.total == 1005


def test_a_pull_reports_bytes_rate_and_time_left() -> None:
    progress = PullProgress()
    take(progress, 0, "a", "Pulling fs layer")
    assert progress.text(0) == "0 B"
    take(progress, 0, "a", "Downloading", 0, 100_000_000)
    take(progress, 2, "a", "Downloading", 20_000_000, 100_000_000)
    assert progress.text(2) == "20.0 MB of 100 MB, 10.0 MB/s, 8 s left"
    take(progress, 3, "a", "Retrying in 5 seconds")
    assert "the connection broke. Retrying in 5 seconds." in progress.text(3)
    take(progress, 9, "a", "Download complete")
    assert progress.text(9) == "100 MB, unpacking"
