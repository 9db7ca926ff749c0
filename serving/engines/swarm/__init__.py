"""Instances as a replicated service of a Docker Swarm, on as many machines as it has."""
