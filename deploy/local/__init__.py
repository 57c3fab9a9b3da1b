"""The real stack on this machine, on loopback: RabbitMQ, Redis, PostgreSQL and the services."""
