"""The versions of one model: their timeline, reports, canaries, exports and images."""
