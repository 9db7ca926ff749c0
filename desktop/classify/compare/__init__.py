"""The comparison of two versions on photos of the Classify page."""
