"""The explanation of an answer: what in a photo it depends on."""
