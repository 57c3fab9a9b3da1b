"""Services as real processes whose needs are missing, wrong, away and back."""

import asyncio
import json
from urllib.parse import urlsplit

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local.ports import spare_port
from deploy.local.services import gateway_service, migrate_database, results_service, worker_service
from services.shared.serving.rpc_server import LIVENESS
from tests.chaos.proxy import Link

pytestmark = pytest.mark.timeout(180)

SECRET = "unguessable-password"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def status_of(service, name=""):
    """Returns a health status of a process; None if its port is not open yet."""
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(service.target, options=options) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            return (await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)).status
        except grpc.aio.AioRpcError:
            return None


async def seconds_until(service, status, limit=60.0):
    """Waits until a process reports a status. Returns the time it took, in seconds."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with asyncio.timeout(limit):
        while await status_of(service) != status:
            assert service.process.is_running(), service.log_text()
            await asyncio.sleep(0.1)
    return loop.time() - start


def reasons_of(service):
    """Returns the log lines that say why a process is not ready."""
    lines = [json.loads(line) for line in service.log_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "service_not_ready"]


async def check_waiting(service, need, address):
    """Checks that a process waits for a need: live, not ready, with a reason in its log and no secret."""
    async with asyncio.timeout(60):
        while not reasons_of(service):
            assert service.process.is_running(), service.log_text()
            await asyncio.sleep(0.1)
    assert await status_of(service) == NOT_SERVING
    assert await status_of(service, LIVENESS) == SERVING
    reason = reasons_of(service)[-1]
    assert (reason["need"], reason["address"]) == (need, address)
    assert reason["error"]
    assert SECRET not in service.log_text()


@pytest.fixture
def run_dir(servers):
    return servers.make_run_dir()


@pytest.fixture
def launch():
    """Starts a process, and kills it at the end of the test."""
    launched = []

    def start(service):
        launched.append(service)
        service.start()
        return service

    yield start
    for service in launched:
        service.kill()


@pytest.fixture
async def link_to():
    """Returns a link to a port; it refuses connections until it is opened."""
    links = []

    def make(port):
        links.append(Link(port))
        return links[-1]

    yield make
    for link in links:
        await link.close()


def at_port(url, port):
    """Returns a URL with another port."""
    parts = urlsplit(url)
    return url.replace(f":{parts.port}", f":{port}", 1)


async def check_life_of(service, link, need, address):
    """Checks a process from before its need appears, through a silence of the need, to its return."""
    await check_waiting(service, need, address)
    await link.open()
    await seconds_until(service, SERVING)
    pid = service.process.pid
    link.cut()
    assert 7.0 < await seconds_until(service, NOT_SERVING) < 20.0
    assert await status_of(service, LIVENESS) == SERVING
    assert reasons_of(service)[-1]["need"] == need
    link.heal()
    assert await seconds_until(service, SERVING) < 10.0
    assert service.process.pid == pid


async def test_results_waits_for_its_database_and_follows_it(servers, run_dir, launch, link_to):
    url = await asyncio.to_thread(servers.make_migrated_database)
    link = link_to(urlsplit(url).port)
    results = launch(results_service(run_dir, spare_port(), at_port(url, link.port)))
    await check_life_of(results, link, "database", f"127.0.0.1:{link.port}{urlsplit(url).path}")


@pytest.mark.parametrize("broken", ["results", "rabbitmq"])
async def test_a_worker_waits_for_results_and_rabbitmq_and_follows_both(
    servers, run_dir, launch, link_to, broken
):
    url = await asyncio.to_thread(servers.make_migrated_database)
    rabbitmq_url = await asyncio.to_thread(servers.make_vhost)
    results = launch(results_service(run_dir, spare_port(), url))
    links = {"results": link_to(results.port), "rabbitmq": link_to(urlsplit(rabbitmq_url).port)}
    worker = launch(
        worker_service(
            run_dir,
            1,
            spare_port(),
            results_target=f"127.0.0.1:{links['results'].port}",
            rabbitmq_url=at_port(rabbitmq_url, links["rabbitmq"].port),
            redis_url="memory://",
        )
    )
    link = links.pop(broken)
    (other,) = links.values()
    await other.open()
    path = urlsplit(rabbitmq_url).path if broken == "rabbitmq" else ""
    await check_life_of(worker, link, broken, f"127.0.0.1:{link.port}{path}")


async def test_a_gateway_waits_for_results_once(servers, run_dir, launch, link_to):
    url = await asyncio.to_thread(servers.make_migrated_database)
    results = launch(results_service(run_dir, spare_port(), url))
    link = link_to(results.port)
    target = f"127.0.0.1:{link.port}"
    gateway = launch(
        gateway_service(run_dir, 1, spare_port(), results_target=target, rabbitmq_url="memory://")
    )
    await check_waiting(gateway, "results", target)
    await link.open()
    await seconds_until(gateway, SERVING)
    link.cut()
    with pytest.raises(TimeoutError):
        await seconds_until(gateway, NOT_SERVING, limit=13.0)


async def test_a_gateway_notices_a_worker_that_has_vanished_within_15_s(servers, run_dir, launch, link_to):
    """As if its machine were gone: nothing is refused or closed. Heartbeats show it, before pings do."""
    url = await asyncio.to_thread(servers.make_migrated_database)
    results = launch(results_service(run_dir, spare_port(), url))
    gateway = launch(
        gateway_service(run_dir, 1, spare_port(), results_target=results.target, rabbitmq_url="memory://")
    )
    worker_port = spare_port()
    links = [link_to(results.port), link_to(worker_port)]
    for link in links:
        await link.open()
    worker = launch(
        worker_service(
            run_dir,
            1,
            worker_port,
            results_target=f"127.0.0.1:{links[0].port}",
            rabbitmq_url="memory://",
            redis_url="memory://",
            HEADRACE_WORKER_ADVERTISE=f"127.0.0.1:{links[1].port}",
        )
    )
    await seconds_until(worker, SERVING)
    await until_logged(gateway, "worker_joined")
    for link in links:
        link.cut()
    assert await until_logged(gateway, "worker_silent") < 15.0
    for link in links:
        link.heal()
    await seconds_until(worker, SERVING)


async def until_logged(service, event):
    """Waits for a line in the log of a process. Returns the time it took, in seconds."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with asyncio.timeout(60):
        while f'"{event}"' not in service.log_text():
            await asyncio.sleep(0.1)
    return loop.time() - start


async def test_services_with_wrong_settings_never_get_ready_and_name_the_address(servers, run_dir, launch):
    rabbitmq_url = await asyncio.to_thread(servers.make_vhost)
    postgres_url = await asyncio.to_thread(servers.make_database)
    await asyncio.to_thread(migrate_database, postgres_url)
    rabbitmq, postgres = urlsplit(rabbitmq_url), urlsplit(postgres_url)
    ready = launch(results_service(run_dir, spare_port(), postgres_url))
    await seconds_until(ready, SERVING)
    server = f"127.0.0.1:{rabbitmq.port}"
    wrong_rabbitmq = {
        f"{server}{rabbitmq.path}": f"guest:{SECRET}@{server}{rabbitmq.path}",
        f"{server}/no-such-vhost": f"guest:guest@{server}/no-such-vhost",
        "no-such-host.invalid:5672/": f"guest:{SECRET}@no-such-host.invalid:5672/",
    }
    waiting = [
        (
            launch(
                worker_service(
                    run_dir,
                    number,
                    spare_port(),
                    results_target=ready.target,
                    rabbitmq_url=f"amqp://{url}",
                    redis_url="memory://",
                )
            ),
            "rabbitmq",
            address,
        )
        for number, (address, url) in enumerate(wrong_rabbitmq.items(), 1)
    ]
    for service, need, address in waiting:
        await check_waiting(service, need, address)
    for number, address in enumerate((f"127.0.0.1:{postgres.port}/none", "no-such-host.invalid:5432/x")):
        url = f"postgresql://headrace:{SECRET}@{address}"
        results = results_service(run_dir / f"{number}", spare_port(), url)
        await check_waiting(launch(results), "database", address)
