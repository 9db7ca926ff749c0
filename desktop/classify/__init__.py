"""The Classify page: photos, their answers, and what a person says of them."""
