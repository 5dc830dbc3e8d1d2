"""The production topology: as processes on one machine, and as containers."""
