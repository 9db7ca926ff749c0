"""The images of the API and the trainer, for stacks that an orchestrator runs."""
