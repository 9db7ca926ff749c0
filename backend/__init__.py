"""The HTTP service: it classifies, keeps labels, learns from them and promotes versions."""
