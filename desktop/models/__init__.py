"""The Models page: the models of the workspace as cards, made, changed and deleted."""
