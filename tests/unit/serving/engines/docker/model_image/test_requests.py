"""Names of images, what can be asked for, and the Dockerfile that comes of it."""

from __future__ import annotations

import pytest

from serving.engines.docker.image.push import push_refused
from serving.engines.docker.model_image.dockerfile import dockerfile
from serving.engines.docker.model_image.labels import BakedModel
from serving.engines.docker.model_image.steps import BuildProgress, Steps
from serving.engines.docker.model_image.tag import (
    ImageNameError,
    checked_tag,
    registry_of,
    repository_name,
    split_tag,
    tag_of_version,
)
from serving.errors import EngineError


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("waste", "waste:latest"),
        (" waste:3 ", "waste:3"),
        ("localhost:5000/team/waste:v3.1", "localhost:5000/team/waste:v3.1"),
        ("localhost:5000/waste", "localhost:5000/waste:latest"),
        ("Registry.example.com/a__b/c-d.e:T_1", "Registry.example.com/a__b/c-d.e:T_1"),
        ("[::1]:5000/waste:1", "[::1]:5000/waste:1"),
    ],
)
def test_a_name_has_a_tag(text: str, name: str) -> None:
    assert checked_tag(text) == name
    assert ":".join(split_tag(name)) == name


@pytest.mark.parametrize(
    "text",
    [
        *("", "Waste", "waste:", "waste:a b", "a//b", "-waste", "waste@sha256:0", "w:" + "x" * 129),
        *("a" * 256, "http://host/waste", "waste:3:4", "wäste"),
    ],
)
def test_what_engines_do_not_accept_is_refused(text: str) -> None:
    with pytest.raises(ImageNameError, match="cannot be the name of an image") as refused:
        checked_tag(text)
    assert "small letters" in refused.value.advice


def test_a_pattern_names_the_image_of_each_version() -> None:
    assert tag_of_version("host:5000/{model}:v{version}", "My Pets!", 7) == "host:5000/my-pets:v7"
    assert tag_of_version("pets:live", "pets", 7) == "pets:live"
    assert repository_name("Äpfel") == "pfel"
    assert repository_name("猫") == "model"
    with pytest.raises(ImageNameError, match=r"\{date\} .* stands for nothing"):
        tag_of_version("pets:{date}", "pets", 1)


def test_labels_say_what_an_image_holds() -> None:
    labels = {"io.servery.model": "pets", "io.servery.model.version": "3"}
    assert BakedModel.read(labels) == BakedModel("pets", 3, "")
    assert BakedModel.read({}) is None
    assert BakedModel.read({**labels, "io.servery.model.version": "three"}) is None
    assert BakedModel.read({**labels, "io.servery.model.version": "٣"}) is None


def test_nothing_in_a_name_or_a_label_becomes_an_instruction() -> None:
    text = dockerfile("it's $HOME", 1, {"label": 'a "b" \\ $c\nRUN touch /bad'})
    assert 'LABEL label="a \\"b\\" \\\\ \\$c RUN touch /bad"\n' in text
    assert "cd '/models/it'\\''s $HOME/1' &&" in text
    assert 'ENV MODEL_NAME="it\'s \\$HOME"' in text
    assert not any(line.startswith("RUN touch") for line in text.splitlines())


def test_progress_is_one_figure_over_all_steps() -> None:
    reports: list[tuple[int, int, str]] = []
    steps = Steps(2, lambda *report: reports.append(report))
    lines: list[str] = []
    building = BuildProgress(steps.begin("Build"), lines.append)
    building.on_sent(50, 100, "5 MB of 10 MB")
    building.on_line("Step 2/4 : COPY a b")
    building.on_sent(100, 100, "10 MB of 10 MB")
    building.on_line(" ---> 0123")
    steps.begin("Push")(1, 4, "1 MB of 4 MB")
    steps.end()
    assert reports == [
        (0, 200, "Step 1 of 2: Build"),
        (0, 200, "Step 1 of 2: Build: 5 MB of 10 MB"),
        (25, 200, "Step 1 of 2: Build: 2 of 4, COPY a b"),
        (100, 200, "Step 2 of 2: Push"),
        (125, 200, "Step 2 of 2: Push: 1 MB of 4 MB"),
        (200, 200, "Done."),
    ]
    assert lines == ["Step 2/4 : COPY a b", " ---> 0123"]


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        ("dial tcp: lookup reg.example on 10.0.0.1:53: no such host", "Check the name of the"),
        ("no basic auth credentials", "Log in with `docker login reg.example`, then"),
        ("unauthorized: authentication required", "Log in with `docker login reg.example`, then"),
        ("denied: requested access to the resource is denied", "as somebody who may write there"),
        ("dial tcp 127.0.0.1:1: connect: connection refused", "Check that the registry runs"),
        ("http: server gave HTTP response to HTTPS client", "insecure-registries"),
        ("write /x: no space left on device", "Make room on the disk of the container engine"),
        ("manifest invalid: manifest invalid", "`docker push reg.example/pets:1`"),
    ],
)
def test_a_refused_push_quotes_the_registry_and_says_what_to_do(answer: str, advice: str) -> None:
    name = "reg.example/pets:1"
    error = EngineError(f"The container engine could not push {name}: {answer}", "")
    refused = push_refused(name, error)
    assert refused.what == f"The registry reg.example did not take the image {name}: {answer}."
    assert advice in refused.advice


def test_the_registry_is_in_the_name() -> None:
    assert registry_of("pets:1") == registry_of("team/pets:1") == "docker.io"
    assert registry_of("localhost/pets:1") == "localhost"
    assert registry_of("host:5000/pets:1") == "host:5000"
