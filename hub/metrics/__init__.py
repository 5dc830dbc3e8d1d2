"""What Prometheus is told of a process: read from plain numbers at the moment it asks."""
