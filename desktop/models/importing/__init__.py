"""The dialogs that import a model from a file, or from the catalogue of downloads."""
