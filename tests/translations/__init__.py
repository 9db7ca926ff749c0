"""Keeps the catalogues of `resources/translations` in step with the texts of the window."""
