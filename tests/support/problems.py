"""What an error of the HTTP service looks like."""

from __future__ import annotations

PROBLEM_FIELDS = {"type", "title", "status", "detail", "advice"}
