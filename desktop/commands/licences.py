"""`servery licences`: what Servery is made of, and under which licences."""

from __future__ import annotations

from typing import Any

import click

from desktop.commands import options
from desktop.commands.terminal import (
    print_json_lines,
    print_line,
    print_lines,
    print_table,
)
from serving.licences import Part, find, parts


@click.command()
@click.argument("name", required=False)
@click.option("--full", is_flag=True, help="Print the text of every licence and notice.")
@options.as_json_lines
def licences(name: str | None, full: bool, as_json: bool) -> None:
    """List the parts of Servery with their licences.

    With NAME, print the licences and notices of that part.
    """
    found = [find(name)] if name else parts()
    with_texts = full or name is not None
    if as_json:
        print_json_lines(_as_json(part, with_texts) for part in found)
    elif with_texts:
        for part in found:
            print_line(f"{part.name} {part.version}, {part.licence}")
            print_line()
            print_lines(part.full_text())
            print_line()
    else:
        print_table(("NAME", "VERSION", "LICENCE"), [_row(part) for part in found])


def _row(part: Part) -> tuple[str, ...]:
    return (part.name, part.version, part.licence)


def _as_json(part: Part, with_texts: bool) -> dict[str, Any]:
    record: dict[str, Any] = {
        "name": part.name,
        "version": part.version,
        "licence": part.licence,
    }
    if with_texts:
        record["texts"] = [part.text(path) for path in part.texts]
    return record
