"""Training: runs, what they learn and measure, and the gate that judges their versions."""
