"""The Learn page: labels, training, and the outbox that sends labels to the backend."""
