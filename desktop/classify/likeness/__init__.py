"""Photos by likeness: the most similar ones, stacks of near-duplicates, and the map.

What the backbone saw in a photo comes with its answer. It is kept here, in `embedding_file`;
everything that needs NumPy runs on the thread of `Likeness`.
"""
