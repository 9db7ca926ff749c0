"""The interface's language: which one is used, and that the catalogues fit the texts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from desktop import formats, translation
from desktop.translation import ENGLISH, PSEUDO, SYSTEM, session_language, tr, use_language
from tests.translations.catalogues import compiled, forms, languages, path_of, read, updated
from tests.translations.texts import NotALiteral, placeholders, texts_of, texts_of_window


@pytest.fixture(autouse=True)
def _english_after() -> Iterator[None]:
    yield
    use_language(ENGLISH)


def test_texts_are_english_until_another_language_is_selected() -> None:
    assert tr("Cancel") == "Cancel"
    assert use_language("de") == "de"
    assert tr("Cancel") == "Abbrechen"
    assert use_language(ENGLISH) == ENGLISH
    assert tr("Cancel") == "Cancel"


def test_a_language_without_a_translation_means_english() -> None:
    assert use_language("tlh") == ENGLISH
    assert tr("Cancel") == "Cancel"


def test_values_take_the_place_of_names() -> None:
    assert tr("{count} of {total}", count=3, total="10") == "3 of 10"
    assert tr("{braces} without values stay") == "{braces} without values stay"


def test_numbers_have_the_separators_of_the_language() -> None:
    assert formats.plural(1234, "photo") == "1,234 photos"
    assert formats.rate(0.42) == "0.4/s"
    use_language("de")
    assert formats.count(1234567) == "1.234.567"
    assert formats.plural(1234, "photo") == "1.234 Fotos"
    assert formats.plural(1, "photo") == "1 Foto"
    assert formats.rate(0.42) == "0,4/s"
    assert formats.accuracy(0.914, 0.012) == "91,4\u00a0% ± 1,2"


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "de_DE.UTF-8"}, "de"),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LANGUAGE": "de:en"}, "de"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "fr_FR@euro"}, "fr"),
        ({}, "en"),
    ],
)
def test_the_language_of_the_session_comes_from_its_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], language: str
) -> None:
    # Not in the environment itself: the C library keeps what it once translated for `LANGUAGE`,
    # and errors of the system would speak that language in later tests.
    assert session_language(environment) == language
    monkeypatch.setattr(translation, "session_language", lambda: language)
    assert use_language(SYSTEM) == (language if language in translation.LANGUAGES else ENGLISH)


def test_the_pseudo_language_marks_what_is_translated() -> None:
    use_language(PSEUDO)
    assert tr("Cancel") == "⟦Cancel⟧"
    assert formats.plural(2, "photo") == "⟦2 photos⟧"


def test_texts_are_found_where_they_are_written_out() -> None:
    code = 'tr("One {a}", a=1); plural(n, "class", "classes"); tr("x" if y else "z")'
    assert [text.id for text in texts_of(code, "a.py")] == [
        "One {a}",
        ("{count} class", "{count} classes"),
        "x",
        "z",
    ]
    with pytest.raises(NotALiteral, match=r"a\.py:1: text is not a text written out"):
        list(texts_of("tr(text)", "a.py"))


@pytest.mark.parametrize("language", languages())
def test_every_text_is_translated_with_the_same_values(language: str) -> None:
    catalogue = read(language)
    texts = texts_of_window()
    wrong = []
    for text in texts:
        message = catalogue.get(text.one)
        if message is None or not all(forms(message)):
            wrong.append(f"{text.file}:{text.line}: {text.one!r} is not translated")
            continue
        for form in forms(message):
            if placeholders(form) != placeholders(text.many or text.one):
                wrong.append(f"{text.file}:{text.line}: {form!r} has other values")
    assert not wrong, "\n".join(wrong[:20])
    gone = {message.id for message in catalogue if message.id} - {text.id for text in texts}
    assert not gone


@pytest.mark.parametrize("language", languages())
def test_the_catalogue_is_up_to_date_and_compiled(language: str) -> None:
    catalogue = read(language)
    assert path_of(language, "mo").read_bytes() == compiled(updated(catalogue)), (
        "Run `python -m tests.translations`."
    )
