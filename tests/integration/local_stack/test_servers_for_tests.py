"""The fixtures for servers."""

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import asyncpg
import pika
import redis.asyncio


def plain(url: str) -> str:
    return url.replace("postgresql+asyncpg://", "postgresql://")


async def test_each_database_is_new_and_empty(make_database: Callable[[], str]) -> None:
    first, second = make_database(), make_database()
    assert first != second
    for url in (first, second):
        connection = await asyncpg.connect(plain(url))
        try:
            tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
            assert await connection.fetchval(tables) == 0
            await connection.execute("CREATE TABLE only_here (id int)")
        finally:
            await connection.close()


async def test_each_redis_database_is_empty(make_redis_database: Callable[[], str]) -> None:
    for url in (make_redis_database(), make_redis_database()):
        client = redis.asyncio.Redis.from_url(url)
        try:
            assert await client.dbsize() == 0
            await client.set("key", "value")
        finally:
            await client.aclose()


def test_a_queue_of_one_virtual_host_is_not_in_another(make_vhost: Callable[[], str]) -> None:
    with pika.BlockingConnection(pika.URLParameters(make_vhost())) as connection:
        connection.channel().queue_declare("here", durable=True)
    with pika.BlockingConnection(pika.URLParameters(make_vhost())) as connection:
        declared = connection.channel().queue_declare("here", durable=True)
        assert declared.method.message_count == 0


def test_the_servers_listen_on_loopback_only(postgres_url: str, redis_url: str, rabbitmq_url: str) -> None:
    for url in (postgres_url, redis_url, rabbitmq_url):
        parts = urlsplit(url)
        assert parts.hostname == "127.0.0.1"
        with socket.create_connection(("127.0.0.1", parts.port or 0), timeout=5):
            pass
