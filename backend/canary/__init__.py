"""Canaries: versions that answer a share of the requests until a rule promotes or ends them."""
