"""The prediction client: which instance is asked, and what becomes of a failed call."""
