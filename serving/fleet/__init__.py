"""The fleet: its record, and how instances are observed and made to match it."""
