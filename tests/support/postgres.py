"""A real PostgreSQL for the tests: the server of the production topology, empty and thrown away."""

from __future__ import annotations

from deploy.postgres import PostgresServer, run_postgres

__all__ = ["PostgresServer", "run_postgres"]
