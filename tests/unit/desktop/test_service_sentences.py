"""What the services say in English is shown in the language of the window."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from desktop import service_sentences
from desktop.notifications import Notice, Notifications
from desktop.service_sentences import CATALOGUE, SentenceCatalogue, translated
from desktop.translation import ENGLISH, use_language
from serving.class_names import checked_class_name
from serving.errors import ImageError, ServeryError, storage_error
from serving.fleet.rollout import Rollout
from serving.models.model_names import checked_model_name
from serving.normalize_image import read_normalized_image
from tests.support.sample_images import image_bytes
from tests.translations.catalogues import SERVICES, compiled_services, languages, path_of, read
from tests.translations.sentences import sentences_of, sentences_of_services
from tests.translations.texts import placeholders

COMPLETE = (
    *("backend/canary/", "backend/labelling/wording.py", "backend/training/gate.py"),
    *("backend/training/trainer.py", "serving/class_names.py", "serving/engines/process.py"),
    *("serving/engines/docker/states.py", "serving/fleet/rollout.py", "serving/fleet/view.py"),
    *("serving/models/model_names.py", "serving/models/repository.py"),
    *("serving/normalize_image.py", "serving/predict/client.py"),
)
"""Files whose sentences people meet in the window every day: each is translated."""


@pytest.fixture
def german() -> Iterator[None]:
    use_language("de")
    yield
    use_language(ENGLISH)


def test_templates_are_found_wherever_a_sentence_is_written() -> None:
    code = '''
"""A module. With a docstring."""
raise ImageError(f"The file {path.name} is larger than {limit // 2} MB.", "Save it" + " again.")
error = storage_error(cause, path, f"The label of {name!r} could not be saved", BackendError)
what = "The photo " + ("is" if one else "was") + " gone"
_log.info("Nothing for people. At all.")
query("SELECT name FROM labels WHERE id = ?", help="Of a command. Not here.")
'''
    assert list(sentences_of(code)) == [
        "The file {name} is larger than {value} MB.",
        "Save it again.",
        "The label of {name} could not be saved",
        "The photo is gone",
        "The photo was gone",
    ]


def test_values_stay_and_sentences_within_them_are_translated() -> None:
    catalogue = SentenceCatalogue(
        {
            "There is no {kind} {name}.": "{name} ist kein {kind}.",
            "Choose one.": "Wählen Sie eines.",
            "Instance {name} failed. {why}": "Instanz {name} ist ausgefallen. {why}",
            "It ended.": "Sie endete.",
            "It ended with {status}.": "Sie endete mit {status}.",
            "Look at {log}. It is tried again.": "Sehen Sie in {log}. Es geht weiter.",
            "the disk is full": "die Festplatte ist voll",
            "The file {name} could not be saved": "Die Datei {name} wurde nicht gespeichert",
            "The file {name} is gone.": "Die Datei {name} ist weg.",
        }
    )
    for english, german in {
        "There is no model Dr. Who?. Choose one.": "Dr. Who? ist kein model. Wählen Sie eines.",
        "Unknown to all. Choose one. Neither.": "Unknown to all. Wählen Sie eines. Neither.",
        "Instance a-1 failed. It ended. Choose one.": (
            "Instanz a-1 ist ausgefallen. Sie endete. Wählen Sie eines."
        ),
        "The file /a: b could not be saved: the disk is full. Choose one.": (
            "Die Datei /a: b wurde nicht gespeichert: die Festplatte ist voll. Wählen Sie eines."
        ),
        "Instance a failed. It ended. The file x is gone. It ended.": (
            "Instanz a ist ausgefallen. Sie endete. Die Datei x ist weg. Sie endete."
        ),
        "Instance a failed. It ended with 3. Look at x. It is tried again.": (
            "Instanz a ist ausgefallen. Sie endete mit 3. Sehen Sie in x. Es geht weiter."
        ),
        "The file x has no end.": "The file x has no end.",
        "The file {name} is gone.": "Die Datei {name} ist weg.",
        "": "",
        "Choose one." * 1000: "Choose one." * 1000,
    }.items():
        assert catalogue.translated(english) == german


@pytest.mark.usefixtures("german")
@pytest.mark.parametrize(
    ("act", "what", "advice"),
    [
        (lambda path: read_normalized_image(path / "gone.jpg"), "keine Datei", "Prüfen Sie"),
        (lambda path: read_normalized_image(_file(path, b"")), "Datei ist leer", "mit einem Foto"),
        (lambda path: read_normalized_image(_file(path, b"%PDF-1.4")), "ein PDF-Dokument", "JPEG"),
        (
            lambda path: read_normalized_image(_file(path, image_bytes(size=(640, 480))[:900])),
            "beschädigt oder abgeschnitten",
            "Kopieren Sie",
        ),
        (lambda _: checked_model_name("-x"), "nicht mit einem Punkt oder einem Strich", "Wählen"),
        (lambda _: checked_model_name("a/b"), "kann / nicht enthalten", "Nehmen Sie Buchstaben"),
        (lambda _: checked_class_name("x" * 101), "länger als 100 Zeichen", "kürzeren"),
        (lambda path: _full(path), "Embedding konnte nicht gespeichert werden: die Fest", "Platz"),
    ],
)
def test_real_errors_are_german_in_the_german_window(
    act: Callable[[Path], object], what: str, advice: str, tmp_path: Path
) -> None:
    with pytest.raises(ServeryError) as failed:
        act(tmp_path)
    posted: list[Notice] = []
    notifications = Notifications()
    notifications.posted.connect(posted.append)
    notifications.error(failed.value)
    (notice,) = posted
    assert what in notice.what
    assert advice in notice.advice
    assert failed.value.what in notice.details  # as it is in the log, for a bug report


def _file(folder: Path, content: bytes) -> Path:
    path = folder / "photo.jpg"
    path.write_bytes(content)
    return path


def _full(path: Path) -> None:
    cause = OSError(errno.ENOSPC, "No space left on device")
    raise storage_error(
        cause, path / "Das. Ist. Ein", "The embedding could not be saved", ImageError
    )


@pytest.mark.usefixtures("german")
def test_states_with_numbers_are_german() -> None:
    late = Rollout("pets", 3, live=("a",), waiting=("b", "c"), late=("b",), reasons=())
    assert translated(late.sentence) == (
        "Version 3 von pets ist auf 1 von 3 Instanzen live. Nicht innerhalb von 30 s auf b."
    )
    assert translated("The zip file unpacks to 3.5 GB; 2 GB are allowed.") == (
        "Die Zip-Datei wird entpackt 3,5 GB groß; erlaubt sind 2 GB."
    )
    assert translated("birds holds 1,234 photos but no folders of classes.") == (
        "birds enthält 1.234 Fotos, aber keine Ordner von Klassen."
    )
    assert translated("Das ist schon deutsch.") == "Das ist schon deutsch."


def test_english_stays_as_it_is() -> None:
    assert translated("The file is empty.") == "The file is empty."


@pytest.mark.parametrize("language", languages())
def test_the_catalogue_fits_the_services(language: str) -> None:
    """A sentence that was changed is translated again, and one that is new may wait for that."""
    catalogue = read(language, SERVICES)
    path = path_of(language, "po").with_name(CATALOGUE)
    known = json.loads(path.read_text(encoding="utf-8"))
    run = "Run `python -m tests.translations`, and translate what it names with --missing."
    assert compiled_services(catalogue) == path.read_text(encoding="utf-8"), run
    sentences = sentences_of_services()
    assert not known.keys() - {each.text for each in sentences}, run
    assert not [text for text in known if placeholders(text) != placeholders(known[text])]
    missing = [s for s in sentences if s.file.startswith(COMPLETE) and s.text not in known]
    assert not missing, run


@pytest.mark.parametrize("language", languages())
def test_each_sentence_is_told_from_all_others(language: str) -> None:
    path = path_of(language, "po").with_name(CATALOGUE)
    known = json.loads(path.read_text(encoding="utf-8"))
    catalogue = SentenceCatalogue(known)

    def filled(text: str) -> str:
        for name in placeholders(text):
            text = text.replace(f"{{{name}}}", f"v-{name}")
        return text

    def plain(text: str) -> str:
        # Templates of which one has another name for the same value are one.
        return service_sentences._PLACEHOLDER.sub("{}", text)

    twice: dict[str, set[str]] = {}
    for english, translation in known.items():
        twice.setdefault(plain(english), set()).add(plain(translation))
    assert not [english for english, several in twice.items() if len(several) > 1]
    wrong = [text for text in known if catalogue.translated(filled(text)) != filled(known[text])]
    assert not wrong
