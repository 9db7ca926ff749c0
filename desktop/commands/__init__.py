"""The commands of `servery`, one module for each or for a group; none imports Qt."""
