"""Headrace's real stack on this machine: RabbitMQ, Redis, PostgreSQL and the services, all on loopback."""
