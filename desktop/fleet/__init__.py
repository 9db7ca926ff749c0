"""The Fleet page: instances, their engines, limits, metrics and logs."""
