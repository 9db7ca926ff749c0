"""The version of Servery."""

VERSION = "0.1.0"
"""Of the whole project; packages, page and command line say the same."""
LICENCE = "Apache-2.0"
