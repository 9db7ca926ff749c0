"""The images that containers run from: which there are, and how an engine gets them."""
