"""The whole system on one machine: an embedded PostgreSQL, the Temporal server, and a supervisor for all parts.

For development, the demo and the tests. Production uses servers that somebody else runs (see `docker-compose.yml`).
"""
