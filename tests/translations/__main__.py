"""Bring the catalogues up to date with the texts of the window and the services, and compile them.

    python -m tests.translations [--missing]

Texts that are new have no translation yet, and this prints how many, with --missing also which;
those that are gone are removed. Edit `servery.po` and `services.po` in
`resources/translations/LANGUAGE/LC_MESSAGES` by hand or with a program for catalogues such as
Poedit, then run it again.
"""

from __future__ import annotations

import sys

from babel.messages.catalog import Catalog

from desktop.service_sentences import CATALOGUE
from tests.translations.catalogues import (
    SERVICES,
    compiled,
    compiled_services,
    forms,
    languages,
    path_of,
    read,
    updated,
    updated_services,
    write,
)


def main() -> None:
    for language in languages():
        window = updated(read(language))
        write(language, window)
        path_of(language, "mo").write_bytes(compiled(window))
        _say(language, "texts", window)
        services = updated_services(read(language, SERVICES))
        write(language, services, SERVICES)
        path_of(language, "po").with_name(CATALOGUE).write_text(
            compiled_services(services), encoding="utf-8"
        )
        _say(language, "sentences of the services", services)


def _say(language: str, what: str, catalogue: Catalog) -> None:
    messages = [message for message in catalogue if message.id]
    missing = [message for message in messages if not all(forms(message))]
    print(f"{language}: {len(messages)} {what}, {len(missing)} not translated")
    if "--missing" in sys.argv:
        for message in missing:
            print(f"    {message.locations[0][0]}: {message.id}")


if __name__ == "__main__":
    main()
