"""The database of labels, photos, training runs and decisions: SQLite or PostgreSQL."""
