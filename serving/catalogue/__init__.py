"""Classifiers that can be downloaded: which there are, their weights, and how they come in.

`models` lists them, `download` fetches a file and goes on where it ended, `add` makes a model of
one. Keras builds the networks, in the program of `serving.importing`.
"""
