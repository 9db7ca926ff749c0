"""Webhooks: which there are, and the messages that are sent to them."""
