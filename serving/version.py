"""Which Servery this is."""

VERSION = "0.1.0"
"""Of the whole project; packages, page and command line say the same."""
