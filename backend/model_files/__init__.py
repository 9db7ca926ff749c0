"""Models as files: imports from other programs, and exports of versions."""
