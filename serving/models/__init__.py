"""The model repository: models, versions, their cards, and what is written into them."""
