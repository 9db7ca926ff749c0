"""The dialog that asks how an image is to be made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from backend.contract import BaseImage, ImageSettings, NewImage
from desktop.versions.image_dialog import NO_BASE, ImageDialog
from tests.gui.conftest import Run

BASES = (BaseImage("tensorflow/serving:2.19.1", 5 * 10**8), BaseImage("own:1", 12 * 10**8))


def opened(settings: ImageSettings, bases: tuple[BaseImage, ...] = BASES) -> ImageDialog:
    dialog = ImageDialog("My pets", 3, settings, bases)
    dialog.show()
    return dialog


def accepted(dialog: ImageDialog) -> list[tuple[NewImage, ImageSettings | None]]:
    found: list[tuple[NewImage, ImageSettings | None]] = []
    dialog.image_requested.connect(lambda new, settings: found.append((new, settings)))
    dialog.make.click()
    return found


def in_application(run: Run, test: Callable[[], None]) -> None:
    async def scenario() -> None:
        test()

    run(scenario)


def test_it_begins_with_what_the_model_has_set(run: Run) -> None:
    def test() -> None:
        dialog = opened(ImageSettings("host:5000/{model}:v{version}", base="own:1", push=True))
        assert dialog.tag.text() == "host:5000/my-pets:v3"
        assert dialog.push.text() == "Push it to host:5000"
        assert not dialog.file.isVisible()
        assert accepted(dialog) == [
            (NewImage("host:5000/my-pets:v3", "own:1", push=True), None),
        ]

    in_application(run, test)


def test_what_cannot_be_a_name_is_said_at_once(run: Run) -> None:
    def test() -> None:
        dialog = opened(ImageSettings())
        dialog.tag.setText("My pets")
        assert "cannot be the name of an image" in dialog.problem.text()
        assert not dialog.make.isEnabled()
        dialog.tag.setText("pets:3")
        assert not dialog.problem.isVisible()
        assert dialog.push.text() == "Push it to docker.io"
        dialog.save.setChecked(True)
        assert not dialog.make.isEnabled()  # no file is named yet
        dialog.file.setText("/tmp/pets.tar")
        assert accepted(dialog)[0][0].save == str(Path("/tmp/pets.tar"))

    in_application(run, test)


def test_promotions_follow_with_a_name_for_each_version(run: Run) -> None:
    def test() -> None:
        dialog = opened(ImageSettings(keep=5))
        dialog.tag.setText("localhost:3/pets:3")
        dialog.always.setChecked(True)
        ((_, settings),) = accepted(dialog)
        assert settings is not None
        assert settings.tag == "localhost:3/pets:{version}"
        assert (settings.after_promotion, settings.keep) == (True, 5)
        again = opened(settings)
        again.always.setChecked(False)
        ((_, off),) = accepted(again)
        assert off is not None
        assert (off.after_promotion, off.tag) == (False, settings.tag)

    in_application(run, test)


def test_without_a_base_it_says_where_to_get_one(run: Run) -> None:
    def test() -> None:
        dialog = opened(ImageSettings(), ())
        assert dialog.no_base.text() == NO_BASE
        assert dialog.no_base.isVisible()
        assert not dialog.base.isVisible()
        assert not dialog.make.isEnabled()

    in_application(run, test)
