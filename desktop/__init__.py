"""The Qt application and the `servery` command."""
