"""The ways to label on the Learn page: one photo, a group, or a doubtful label at a time."""
