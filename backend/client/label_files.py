"""Calls about labels in files of other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backend.client.connection import BackendConnection
from backend.client.paths import checked_text, model_path
from backend.contract import KeywordSummary, LabelExport, LabelFormat, LabelImport
from serving.progress import Report, no_report


class LabelFileCalls(BackendConnection):
    """Labels that go out into files, and come in from them."""

    async def export_labels(
        self, model: str, target: Path, form: LabelFormat, report: Report = no_report
    ) -> LabelExport:
        """Write all labels of a model with their photos to `target`, an absolute path.

        It names a folder that is new or empty. It is whole on return, and not there if this is
        cancelled or fails.
        """
        body = {"target": checked_text(target), "format": form}
        return await self._stream(
            LabelExport, model_path(model, "labels/export"), report, json=body
        )

    async def import_labels(
        self,
        model: str,
        source: Path,
        report: Report = no_report,
        *,
        photos: Path | None = None,
        by: str = "",
        control: str = "",
        keywords: Sequence[str] | None = None,
    ) -> LabelImport:
        """Take the labels in a file, or in a folder that labels were exported to.

        Paths are absolute. `photos`, `by`, `control` and `keywords` are those of
        NewLabelImport. If this is cancelled, the labels stay as they were.
        """
        body = {
            "source": checked_text(source),
            "photos": checked_text(photos) if photos else "",
            "by": by,
            "control": control,
            "keywords": keywords if keywords is None else list(keywords),
        }
        return await self._stream(
            LabelImport, model_path(model, "labels/import"), report, json=body
        )

    async def keywords(self, folder: Path, report: Report = no_report) -> KeywordSummary:
        """Count the keywords in the metadata of the photos in a folder, by its absolute path."""
        body = {"folder": checked_text(folder)}
        return await self._stream(KeywordSummary, "/keywords", report, json=body)
