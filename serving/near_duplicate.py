"""From which likeness on two photos count as nearly the same, wherever that is asked."""

NEAR_DUPLICATE = 0.86
"""Cosine of two embeddings from which photos count as near-duplicates.

Measured with EfficientNet-Lite2 (docs/decisions/labelling-queue.md): above it are 99% of copies
that were encoded again, cropped by 5% or brightened, and 92% of simulated shots of a burst; of
TrashNet's photos, whose pairs above it show one object, 2% have one.
"""
