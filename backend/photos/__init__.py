"""Photos in requests: received, limited in memory, and decoded in processes of their own."""
