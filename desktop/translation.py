"""The interface's language: what English texts are in the language that the window speaks.

Each text of the window is written in English where it is shown, within `tr`, `tr_plural` or
`formats.plural`, and is the key of its translation. Many are made when their module is imported,
so the language is selected before: `use_language` comes first, and another one needs another
start. Commands are used by scripts and always speak English.
"""

from __future__ import annotations

import gettext
import locale
import os
from collections.abc import Mapping
from pathlib import Path

SYSTEM = "system"
"""The language of the person's session, where there is a translation of it."""
ENGLISH = "en"
LANGUAGES: Mapping[str, str] = {ENGLISH: "English", "de": "Deutsch"}
"""Each language by its ISO 639 code, in its own words."""
PSEUDO = "pseudo"
"""For tests: English with marks around each text, which show texts that were not marked."""

FOLDER = Path(__file__).resolve().parents[1] / "resources" / "translations"
DOMAIN = "servery"


class _Pseudo(gettext.NullTranslations):
    """Marks what is translated, so that what is not stands out."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"⟦{msgid1 if n == 1 else msgid2}⟧"


_translations: gettext.NullTranslations = gettext.NullTranslations()
_language = ENGLISH


def use_language(language: str) -> str:
    """Translate into `language` from now on, and return the code of the one that is used.

    `language` is one of LANGUAGES, SYSTEM or PSEUDO. A language without a translation means
    English.
    """
    global _language, _translations
    selected = session_language() if language == SYSTEM else language
    if selected == PSEUDO:
        _language, _translations = ENGLISH, _Pseudo()
    elif selected != ENGLISH and selected in LANGUAGES:
        _language = selected
        _translations = gettext.translation(DOMAIN, FOLDER, languages=[selected], fallback=True)
    else:
        _language, _translations = ENGLISH, gettext.NullTranslations()
    return _language


def current_language() -> str:
    """Return the code of the language that texts are translated into."""
    return _language


def session_language(environment: Mapping[str, str] = os.environ) -> str:
    """Return the code of the language that the person's session is in, such as `de`."""
    for variable in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environment.get(variable, ""):
            code = locale.normalize(value.split(":")[0]).split("_")[0].split(".")[0].lower()
            return ENGLISH if code in ("c", "posix") else code
    return ENGLISH


def tr(text: str, /, **values: object) -> str:
    """Return `text` in the language of the window, with `values` in place of its `{name}`s.

    `text` is written out in the call, since that is where the texts to translate are found.
    """
    translated = _translations.gettext(text) if text else ""
    return translated.format(**values) if values else translated


def tr_plural(one: str, many: str, number: int) -> str:
    """Return the form of a text for `number` of something, in the language of the window."""
    return _translations.ngettext(one, many, number)


def tr_number(text: str) -> str:
    """Return a number such as `1,000.5` with the separators of the language."""
    return text.translate(_GERMAN) if _language == "de" else text


_GERMAN = str.maketrans(",.", ".,")
