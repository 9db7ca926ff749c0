"""The stack that Compose, Swarm or Kubernetes runs: instances, API, trainer and label store.

Plain functions from a `StackPlan` to the text of files; nothing here talks to an orchestrator.
"""
