"""`servery models`: which models there are, which one answers, and their versions."""
