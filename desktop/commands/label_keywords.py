"""`servery labels import --from-keywords`: keywords in photos become labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backend.client import BackendClient
from backend.contract import KeywordSummary, LabelImport
from desktop.commands.label_output import print_skipped, show_imported
from desktop.commands.options import BackendTarget
from desktop.commands.terminal import ProgressLine, confirm, print_message, table_lines
from desktop.formats import count, plural
from serving.errors import ServeryError


def import_keywords(
    target: BackendTarget,
    model: str,
    folder: Path,
    keywords: Sequence[str],
    by: str,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Take keywords of the photos in a folder as classes, after the person has seen which.

    Without `keywords`, all that the photos have. Raises ServeryError if there is none, and
    click.Abort if the person does not agree.
    """
    path = folder.absolute()

    async def carry_out(client: BackendClient) -> LabelImport:
        with ProgressLine() as report:
            found = await client.keywords(path, report)
        chosen = _chosen(found, keywords, folder)
        if not keywords and not yes:
            _ask(found, model)
        with ProgressLine() as report:
            return await client.import_labels(model, path, report, by=by, keywords=chosen)

    show_imported(target.run(carry_out), as_json)


def _chosen(found: KeywordSummary, keywords: Sequence[str], folder: Path) -> list[str]:
    """Return the keywords to take; raises ServeryError for one that no photo has."""
    there = {each.keyword.casefold() for each in found.keywords}
    advice = f"See which there are: `servery labels import MODEL {folder} --from-keywords`."
    for keyword in keywords:
        if keyword.casefold() not in there:
            raise ServeryError(f"No photo in {folder} has the keyword {keyword}.", advice)
    if not found.keywords:
        print_skipped(found.unreadable)
        raise ServeryError(
            f"None of {plural(found.photos, 'photo')} in {folder} has a keyword.",
            "Give them keywords in a photo program, or label them with `servery label`.",
        )
    return list(keywords) or [each.keyword for each in found.keywords]


def _ask(found: KeywordSummary, model: str) -> None:
    """Show the keywords and ask whether all are to be classes."""
    rows = [(each.keyword, count(each.photos)) for each in found.keywords]
    for line in table_lines(("KEYWORD", "PHOTOS"), rows, align_right=True):
        print_message(line)
    print_message("To take only some of them, name each with --keyword.")
    number = plural(len(rows), "keyword")
    confirm(f"Take {number} of {plural(found.photos, 'photo')} as classes of {model}?")
