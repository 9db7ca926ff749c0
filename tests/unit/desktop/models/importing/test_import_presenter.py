"""A model file is looked at, corrected and imported; the newest wish wins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from backend.client import BackendClient
from backend.contract import ImportState, ModelFileQuery, ModelImport
from desktop.models.importing import wording
from desktop.models.importing.draft import MAX_PHOTOS, ImportDraft
from desktop.models.importing.presenter import ImportPresenter
from serving.errors import ModelError
from serving.importing.interface import OutputKind, ValueRange
from serving.progress import Report, no_report
from tests.support.fake_model_files import FakeModelFiles, inspection, interface
from tests.support.waiting import wait_until

PHOTOS = (Path("/photos/a.jpg"), Path("/photos/b.jpg"))


def start(title: str, work: Callable[[Report], Awaitable[None]]) -> asyncio.Task[None]:
    async def carry_out() -> None:
        await work(no_report)

    return asyncio.get_running_loop().create_task(carry_out(), name=title)


def presenter_of(
    backend: FakeModelFiles, photos: tuple[Path, ...] = PHOTOS, pause: float = 0.0
) -> ImportPresenter:
    draft = ImportDraft(Path("/models/pets.keras"), photos=photos)
    client = cast("BackendClient", backend)
    return ImportPresenter(draft, client, start, pause_seconds=pause)


def idle(presenter: ImportPresenter) -> Callable[[], bool]:
    return lambda: not presenter.draft.step


def run(scenario: Callable[[], Awaitable[Any]]) -> None:
    async def main() -> None:
        await scenario()

    asyncio.run(main())


def test_what_is_found_and_answered_is_shown() -> None:
    async def scenario() -> None:
        backend = FakeModelFiles()
        presenter = presenter_of(backend)
        steps: list[str] = []
        presenter.on_changed = lambda draft: steps.append(draft.step)
        presenter.look()
        await wait_until(idle(presenter))
        draft = presenter.draft
        assert draft.can_import
        assert wording.file_sentence(inspection()) == "A Keras file, 123 kB."
        assert wording.classes_sentence(draft) == "3 scores, 3 labels from labels.txt"
        assert wording.origin(draft, "value_range") == "guessed"
        assert wording.origin(draft, "gives") == "in the file"
        assert [each.photo for each in draft.previews] == [str(each) for each in PHOTOS]
        assert "Looking at the model." in steps
        assert "Asking the model about your photos." in steps

    run(scenario)


def test_corrections_are_collected_and_ask_about_the_photos_alone() -> None:
    async def scenario() -> None:
        backend = FakeModelFiles()
        presenter = presenter_of(backend, pause=0.05)
        presenter.look()
        await wait_until(idle(presenter))
        presenter.correct(value_range=ValueRange.BYTES)
        presenter.correct(value_range=ValueRange.SIGNED)
        presenter.correct(gives=OutputKind.LOGITS)
        await wait_until(idle(presenter))
        assert len(backend.inspected) == 1
        asked = [query.source.corrections for query in backend.previewed]
        assert len(asked) == 2  # before, and once for all three
        assert (asked[1].value_range, asked[1].gives) == (ValueRange.SIGNED, OutputKind.LOGITS)
        assert presenter.draft.interface is not None
        assert presenter.draft.interface.guessed == ("resize", "channels")
        assert wording.origin(presenter.draft, "value_range") == "as you say"
        assert presenter.draft.previews[0].scores[0].name == "cat by -1..1"

    run(scenario)


def test_a_late_answer_for_an_earlier_wish_is_dropped() -> None:
    async def scenario() -> None:
        backend = FakeModelFiles()
        presenter = presenter_of(backend)
        presenter.look()
        await wait_until(idle(presenter))
        backend.preview_gate = asyncio.Event()
        presenter.correct(value_range=ValueRange.BYTES)
        await wait_until(lambda: len(backend.previewed) == 2)
        presenter.correct(value_range=ValueRange.CAFFE)
        await wait_until(lambda: len(backend.previewed) == 3)
        assert backend.ended_early == 1
        backend.preview_gate.set()
        await wait_until(idle(presenter))
        assert presenter.draft.previews[0].scores[0].name == "cat by caffe"

    run(scenario)


def test_labels_and_signature_have_the_file_looked_at_again() -> None:
    async def scenario() -> None:
        backend = FakeModelFiles()
        presenter = presenter_of(backend)
        presenter.look()
        await wait_until(idle(presenter))
        presenter.choose_labels(Path("/models/names.txt"))
        assert not presenter.draft.can_import  # until it is known whether they fit
        await wait_until(idle(presenter))
        presenter.correct(signature="raw")
        await wait_until(idle(presenter))
        asked = [query.source for query in backend.inspected]
        assert [each.labels_path for each in asked] == ["", *["/models/names.txt"] * 2]
        assert asked[2].corrections.signature == "raw"

    run(scenario)


def test_too_few_labels_are_said_with_both_numbers() -> None:
    problem = "labels.txt has 2 names, and the model has 3 classes."

    async def scenario() -> None:
        found = inspection(labels=("zebra", "cat"), problems=(problem,))
        backend = FakeModelFiles(found=lambda query: found)
        presenter = presenter_of(backend)
        presenter.look()
        await wait_until(idle(presenter))
        assert wording.classes_sentence(presenter.draft) == "3 scores, 2 labels from labels.txt"
        assert wording.problem_sentence(presenter.draft) == problem
        assert not presenter.draft.can_import
        assert backend.previewed == []

    run(scenario)


def test_a_model_without_labels_says_what_to_choose() -> None:
    async def scenario() -> None:
        backend = FakeModelFiles(found=lambda query: inspection(labels=None, labels_from=""))
        presenter = presenter_of(backend)
        presenter.look()
        await wait_until(idle(presenter))
        assert wording.problem_sentence(presenter.draft).startswith(
            "Nothing says what the 3 classes are called. Choose a file"
        )
        assert not presenter.draft.can_import
        assert len(presenter.draft.previews) == 2  # with numbers in the place of names

    run(scenario)


def test_what_could_do_more_than_compute_is_looked_at_once_it_is_trusted() -> None:
    def found(query: ModelFileQuery) -> Any:
        if query.source.trust:
            return inspection(unsafe_operations=("ReadFile",))
        return inspection(interface=None, unsafe_operations=("ReadFile",), problems=("Unsafe.",))

    async def scenario() -> None:
        backend = FakeModelFiles(found=found)
        presenter = presenter_of(backend)
        presenter.look()
        await wait_until(idle(presenter))
        draft = presenter.draft
        assert draft.needs_trust
        assert not draft.can_import
        assert "uses ReadFile" in wording.trust_explanation(draft)
        assert wording.safety_sentence(draft) == wording.NO_CODE
        presenter.trust()
        await wait_until(idle(presenter))
        assert not presenter.draft.needs_trust
        assert presenter.draft.can_import
        assert wording.safety_sentence(presenter.draft) == wording.TRUSTED

    run(scenario)


def test_a_file_that_is_no_model_is_refused_with_the_reason() -> None:
    def refuse(query: ModelFileQuery) -> Any:
        raise ModelError("pets.onnx is an ONNX file.", "Export it as .keras.")

    async def scenario() -> None:
        presenter = presenter_of(FakeModelFiles(found=refuse))
        presenter.look()
        await wait_until(idle(presenter))
        said = wording.problem_sentence(presenter.draft)
        assert said == "pets.onnx is an ONNX file. Export it as .keras."
        assert not presenter.draft.can_import

    run(scenario)


def test_photos_come_first_up_to_a_limit_and_only_new_ones_are_asked_about() -> None:
    async def scenario() -> None:
        backend = FakeModelFiles()
        presenter = presenter_of(backend)
        presenter.look()
        await wait_until(idle(presenter))
        presenter.remove_photo(PHOTOS[1])
        assert presenter.draft.photos == PHOTOS[:1]
        assert len(backend.previewed) == 1
        more = [Path(f"/photos/{number}.jpg") for number in range(MAX_PHOTOS)]
        presenter.add_photos(more)
        await wait_until(idle(presenter))
        assert presenter.draft.photos == tuple(more)
        assert backend.previewed[-1].photos == tuple(map(str, more))

    run(scenario)


def test_closing_ends_what_is_asked() -> None:
    async def scenario() -> None:
        backend = FakeModelFiles(preview_gate=asyncio.Event())
        presenter = presenter_of(backend)
        presenter.look()
        await wait_until(lambda: len(backend.previewed) == 1)
        presenter.stop()
        await wait_until(lambda: backend.ended_early == 1)

    run(scenario)


def test_an_import_says_how_far_it_is_and_which_facts_it_takes() -> None:
    running = ModelImport("7", "Pets", ImportState.RUNNING, 0.5, "Writing and checking.")
    done = ModelImport("7", "Pets", ImportState.SUCCEEDED, 1.0, version=1)

    async def scenario() -> None:
        backend = FakeModelFiles(states=[running, done])
        presenter = presenter_of(backend)
        presenter.look()
        await wait_until(idle(presenter))
        presenter.correct(value_range=ValueRange.BYTES)
        seen: list[tuple[float | None, str]] = []
        presenter.on_changed = lambda draft: seen.append((draft.progress, draft.step))
        assert await presenter.import_model("Pets", no_report) == done
        assert (0.5, "Writing and checking.") in seen
        (new,) = backend.imported
        assert new.name == "Pets"
        assert new.source.corrections.value_range is ValueRange.BYTES
        assert new.photos == tuple(map(str, PHOTOS))
        assert presenter.draft.progress is None

    run(scenario)


def test_an_import_that_fails_leaves_the_draft_with_the_reason() -> None:
    async def scenario() -> None:
        backend = FakeModelFiles(refusal=ModelError("The name is taken.", "Choose another."))
        presenter = presenter_of(backend)
        presenter.look()
        await wait_until(idle(presenter))
        with pytest.raises(ModelError, match="The name is taken"):
            await presenter.import_model("Pets", no_report)
        assert wording.problem_sentence(presenter.draft) == "The name is taken. Choose another."
        assert presenter.draft.can_import  # under another name

    run(scenario)


def test_cancelling_cancels_the_import() -> None:
    async def scenario() -> None:
        running = ModelImport("7", "Pets", ImportState.RUNNING, 0.5, "Writing.")
        backend = FakeModelFiles(states=[running])
        presenter = presenter_of(backend)
        presenter.look()
        await wait_until(idle(presenter))
        task = asyncio.ensure_future(presenter.import_model("Pets", no_report))
        await wait_until(lambda: presenter.draft.progress == 0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert backend.cancelled == ["7"]
        assert presenter.draft.progress is None
        assert presenter.draft.can_import

    run(scenario)


def test_any_size_is_a_guess_that_a_person_corrects() -> None:
    async def scenario() -> None:
        guessed = interface(height=224, width=224, guessed=("height", "width"))
        backend = FakeModelFiles(found=lambda query: inspection(interface=guessed))
        presenter = presenter_of(backend)
        presenter.look()
        await wait_until(idle(presenter))
        assert "the size" in wording.photos_sentence(presenter.draft)
        presenter.correct(height=96, width=128)
        assert presenter.draft.interface is not None
        assert wording.input_sentence(presenter.draft.interface) == "128 by 96 pixels"
        await wait_until(idle(presenter))
        assert backend.previewed[-1].source.corrections.height == 96

    run(scenario)
