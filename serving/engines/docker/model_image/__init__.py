"""Images that hold one version of a model and serve it with no mount."""
