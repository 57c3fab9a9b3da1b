"""RabbitMQ, Redis and PostgreSQL as processes of a run directory, on loopback only."""
