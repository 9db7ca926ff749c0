"""Models and versions as the service shows and changes them."""
