"""Reads, updates and writes the catalogues of translated texts."""

from __future__ import annotations

import io
import json
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from desktop.translation import DOMAIN, ENGLISH, FOLDER, LANGUAGES
from serving.version import VERSION
from tests.translations.sentences import sentences_of_services
from tests.translations.texts import texts_of_window

SERVICES = "services"
"""The domain of the sentences of serving and backend."""


def languages() -> list[str]:
    """Return the codes of the languages that the window is translated into."""
    return [language for language in LANGUAGES if language != ENGLISH]


def path_of(language: str, suffix: str, domain: str = DOMAIN) -> Path:
    return FOLDER / language / "LC_MESSAGES" / f"{domain}.{suffix}"


def read(language: str, domain: str = DOMAIN) -> Catalog:
    """Return the catalogue of a language; an empty one if there is no file yet."""
    path = path_of(language, "po", domain)
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def updated(old: Catalog) -> Catalog:
    """Return a catalogue of all texts of the window, with the translations of `old`."""
    new = _empty(old, "The texts of Servery's window")
    for text in texts_of_window():
        known = old.get(text.one)
        fits = known is not None and bool(known.pluralizable) == bool(text.many)
        string = known.string if known is not None and fits else None
        new.add(text.id, string, locations=[(text.file, 0)], flags=())
    return new


def updated_services(old: Catalog) -> Catalog:
    """Return a catalogue of all sentences of the services, with the translations of `old`."""
    new = _empty(old, "The sentences of Servery's services")
    for sentence in sentences_of_services():
        known = old.get(sentence.text)
        string = known.string if known is not None else None
        new.add(sentence.text, string, locations=[(sentence.file, 0)], flags=())
    return new


def compiled_services(catalogue: Catalog) -> str:
    """Return what the window reads of it: the sentences that are translated."""
    known = {str(each.id): str(each.string) for each in catalogue if each.id and each.string}
    return json.dumps(known, ensure_ascii=False, indent=0, sort_keys=True) + "\n"


def _empty(old: Catalog, title: str) -> Catalog:
    new = Catalog(
        locale=old.locale,
        project="Servery",
        version=VERSION,
        copyright_holder="Servery",
        msgid_bugs_address="none",
        last_translator="none",
        language_team="none",
        fuzzy=False,
    )
    new.header_comment = f"# {title} in the language {old.locale}."
    # Else each run would change the file.
    new.creation_date, new.revision_date = old.creation_date, old.revision_date
    return new


def forms(message: Message) -> tuple[str, ...]:
    """Return the translation of a text, for one and for more if it has both; empty if missing."""
    string = message.string or ""
    return (string,) if isinstance(string, str) else tuple(each or "" for each in string)


def compiled(catalogue: Catalog) -> bytes:
    """Return what the window reads: the catalogue without what is not translated."""
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def write(language: str, catalogue: Catalog, domain: str = DOMAIN) -> None:
    path = path_of(language, "po", domain)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalogue, width=100, include_lineno=False, sort_by_file=True)
