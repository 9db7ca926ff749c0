"""What instances run on: processes, Docker, a swarm, or an orchestrator of others."""
