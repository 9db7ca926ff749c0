"""Calls about versions of models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backend.client.connection import LONG_TIMEOUT, BackendConnection
from backend.client.paths import is_text, model_path, query, version_path
from backend.contract import (
    Comparison,
    EvaluationReport,
    FilePrediction,
    FilePredictions,
    PhotoAnswer,
    TrustSummary,
    Verification,
    VersionSummary,
)
from serving.progress import Report, no_report

MAX_FILES = 1_000
"""That the backend asks a version about at once."""


class VersionCalls(BackendConnection):
    """What versions are, how good they are, and which one is live."""

    async def versions(self, model: str) -> list[VersionSummary]:
        """Return the versions of `model`, newest first."""
        return await self._request(list[VersionSummary], "GET", model_path(model, "versions"))

    async def promote(self, model: str, number: int, *, by: str | None = None) -> VersionSummary:
        """Make a version the one that the fleet serves; rolling back is the same.

        It is tried before: a BackendRefused says why it cannot be served. `by` says who decided
        that; without it, the user that the backend runs as.
        """
        return await self._request(
            VersionSummary,
            "POST",
            version_path(model, number, "promote"),
            params=query(by=by),
            timeout=LONG_TIMEOUT,
        )

    async def pin_version(self, model: str, number: int) -> VersionSummary:
        """Keep a version, however many come after it."""
        return await self._request(VersionSummary, "PUT", version_path(model, number, "pinned"))

    async def unpin_version(self, model: str, number: int) -> VersionSummary:
        return await self._request(VersionSummary, "DELETE", version_path(model, number, "pinned"))

    async def delete_version(self, model: str, number: int) -> None:
        """Delete a version for good; a live or pinned one is refused."""
        await self._send("DELETE", version_path(model, number))

    async def verify_version(self, model: str, number: int) -> Verification:
        """Compare the files of a version with their recorded checksums."""
        return await self._request(
            Verification, "POST", version_path(model, number, "verify"), timeout=LONG_TIMEOUT
        )

    async def trust(self, model: str, number: int) -> TrustSummary:
        """Return what in a version can do more than compute, unless it is trusted."""
        return await self._request(TrustSummary, "GET", version_path(model, number, "trust"))

    async def trust_version(self, model: str, number: int) -> TrustSummary:
        """Let a version do more than compute, as its files are now."""
        return await self._request(TrustSummary, "POST", version_path(model, number, "trust"))

    async def withdraw_trust(self, model: str, number: int) -> None:
        """Trust a version no longer; a BackendRefused of status 404 if it was not trusted."""
        await self._send("DELETE", version_path(model, number, "trust"))

    async def report(self, model: str, number: int) -> EvaluationReport:
        """Return what training measured; a BackendRefused of status 404 where it did not."""
        return await self._request(EvaluationReport, "GET", version_path(model, number, "report"))

    async def answers(
        self, model: str, number: int, label: str, answered: str, count: int = 100
    ) -> list[PhotoAnswer]:
        """Return the photos of one class that were answered with one class, the surest first."""
        return await self._request(
            list[PhotoAnswer],
            "GET",
            version_path(model, number, "answers"),
            params={"label": label, "answered": answered, "count": count},
        )

    async def compare(
        self,
        model: str,
        versions: tuple[int, int],
        images: Sequence[str] | None = None,
        files: Sequence[Path] | None = None,
    ) -> list[Comparison]:
        """Return what two versions answer for `images` and `files`, or for the labelled photos.

        Files are absolute paths on the machine of the backend, which has to be this one. Of a
        photo that cannot be read, it says why; last come those whose names are not UTF-8, which
        JSON is.
        """
        named = list(map(str, files or ()))
        body = {
            "versions": list(versions),
            "images": None if images is None else list(images),
            "files": None if files is None else list(filter(is_text, named)),
        }
        compared = await self._request(
            list[Comparison],
            "POST",
            model_path(model, "compare"),
            json=body,
            # Large photos take a good part of a second each on a busy machine.
            timeout=LONG_TIMEOUT + len(files or ()),
        )
        return compared + [
            Comparison("", "", [], [], file, problem="Its name is not text in UTF-8.")
            for file in named
            if not is_text(file)
        ]

    async def predictions(
        self, model: str, number: int, files: Sequence[Path], report: Report = no_report
    ) -> list[FilePrediction]:
        """Return what a version, live or not, answers for files, in their order.

        They are named by absolute paths on the machine of the backend, which has to be this one.
        """
        found: dict[str, FilePrediction] = {}
        named = list(map(str, files))
        # JSON has no other names.
        texts = [file for file in named if is_text(file)]
        for start in range(0, len(texts), MAX_FILES):

            def report_all(done: int, total: int, text: str, start: int = start) -> None:
                report(start + done, len(texts), text)

            answered = await self._stream(
                FilePredictions,
                version_path(model, number, "predictions"),
                report_all,
                json={"files": texts[start : start + MAX_FILES]},
            )
            found |= {each.file: each for each in answered.predictions}
        nameless = "Its name is not text in UTF-8."
        return [found.get(file) or FilePrediction(file, [], nameless) for file in named]
