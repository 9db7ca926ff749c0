"""Fine-tuning: training the last blocks of a network itself, not only its head."""
