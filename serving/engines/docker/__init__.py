"""Instances in containers of a Docker-compatible engine.

The `docker` package blocks, so each of its calls runs in a bounded pool of
threads, and each stream (events, logs, pulls) has a thread of its own that is
closed from outside. Nothing outside this package sees one of its exceptions.
"""
