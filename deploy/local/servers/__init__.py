"""RabbitMQ, Redis and PostgreSQL as processes of a run directory, listening on loopback only."""
