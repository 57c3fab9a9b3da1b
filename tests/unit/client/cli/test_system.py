"""The commands about a whole system: top, ping and dev."""

import asyncio
import fcntl
import os
import pty
import signal
import struct
import termios

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from headrace._cli.output.tables import open_console
from headrace._cli.system.snapshots import SystemReader
from headrace.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from headrace.jobs.v1 import jobs_pb2


async def test_ping_prints_target_version_health_and_time(cli, gateway):
    gateway.version = "9.8.7"
    done = await cli.run("ping")
    assert (done.code, done.err) == (0, "")
    shown = dict(line.split(maxsplit=1) for line in done.out.replace("round trip", "trip").splitlines())
    assert shown["target"] == gateway.target
    assert shown["version"] == "9.8.7"
    assert shown["health"] == "UNKNOWN"  # the fake has no health service
    assert shown["trip"].endswith(" ms")
    (ping,) = (await cli.run("ping", "--json")).objects
    assert ping["version"] == "9.8.7"
    assert 0 < ping["round_trip_seconds"] < 30


async def test_a_gateway_that_does_not_tell_its_version_is_fine(cli, gateway):
    done = await cli.run("ping")
    assert done.code == 0
    assert "version     unknown" in done.out


async def test_ping_without_a_gateway_exits_3_at_once(cli):
    done = await cli.run("ping", "--target", "127.0.0.1:1")
    assert (done.code, done.out) == (3, "")
    assert "headrace dev" in done.err


async def test_ping_tells_a_fault_instead_of_repeating_the_call(cli, gateway):
    gateway.failures = [grpc.StatusCode.UNAVAILABLE]
    assert (await cli.run("ping")).code == 3


@pytest.mark.parametrize(("status", "code", "shown"), [(1, 0, "SERVING"), (2, 4, "NOT_SERVING")])
async def test_ping_exits_4_if_the_gateway_is_not_ready(cli, gateway, status, code, shown):
    class Health(health_pb2_grpc.HealthServicer):
        async def Check(self, request, context):
            return health_pb2.HealthCheckResponse(status=status)

    server = grpc.aio.server()
    gateway_pb2_grpc.add_GatewayServiceServicer_to_server(gateway, server)
    health_pb2_grpc.add_HealthServicer_to_server(Health(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    done = await cli.run("ping", "--target", f"127.0.0.1:{port}")
    await server.stop(None)
    assert done.code == code
    assert f"health      {shown}\n" in done.out


@pytest.fixture
def busy(gateway, make_job):
    gateway.jobs = [
        make_job(job_id="a-1", total=10, succeeded=4),
        make_job(job_id="a-2", state="PAUSED", total=5),
        make_job(job_id="a-3", state="SUCCEEDED", succeeded=3),
    ]
    gateway.jobs[0].usage.cost_micros = 1_500_000
    gateway.workers = [
        jobs_pb2.Worker(
            incarnation="w1",
            address="127.0.0.1:7",
            live=True,
            in_flight_count=3,
            in_flight_limit=100,
            items_per_second=2.5,
        ),
        jobs_pb2.Worker(incarnation="w2", address="127.0.0.1:8"),
    ]
    return gateway


@pytest.mark.parametrize("options", [[], ["--once"]])
async def test_top_in_a_pipe_is_one_snapshot_of_live_jobs_and_workers(cli, busy, options):
    done = await cli.run("top", *options)
    assert (done.code, done.err) == (0, "")
    assert "jobs      2 live  1 running  1 paused  4/15 items" in done.out
    assert "workers   1 live  3/100 in flight  2.5 items/s" in done.out
    assert "spent     $1.5000 by live jobs\n" in done.out
    assert [name for name in ("a-1", "a-2", "a-3") if name in done.out] == ["a-1", "a-2"]
    assert "127.0.0.1:8" not in done.out
    assert "\x1b" not in done.out


async def test_top_in_json_is_one_object(cli, busy):
    (shown,) = (await cli.run("top", "--json")).objects
    assert [job["job_id"] for job in shown["jobs"]] == ["a-1", "a-2"]
    assert [worker["incarnation"] for worker in shown["workers"]] == ["w1", "w2"]


async def test_top_without_a_gateway_exits_3(cli):
    assert (await cli.run("top", "--target", "127.0.0.1:1")).code == 3


@pytest.mark.parametrize("size", [(24, 80), (5, 20), (50, 300)])
async def test_top_on_a_terminal_refreshes_until_ctrl_c_and_leaves_the_screen(cli, busy, size):
    cli.env |= {"TERM": "xterm-256color"}
    cli.env.pop("COLUMNS", None)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    process = await cli.start("top", "--interval", "100ms", stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = asyncio.create_task(asyncio.to_thread(read_all, ours))
    async with asyncio.timeout(60):
        while len(busy.requests_of(gateway_pb2.ListWorkersRequest)) < 3:
            await asyncio.sleep(0.01)
        busy.failures = [grpc.StatusCode.UNIMPLEMENTED] * 2
        while busy.failures:
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
        text = await shown
    process._transport.close()
    assert text.count("\x1b[?1049h") == text.count("\x1b[?1049l") == 1
    assert "workers" in text


def read_all(descriptor):
    chunks = []
    while True:
        try:
            chunks.append(os.read(descriptor, 65536))
        except OSError:
            os.close(descriptor)
            return b"".join(chunks).decode()


async def test_speeds_and_spending_are_measured_between_snapshots(busy, client):
    now = [100.0]
    reader = SystemReader(client, clock=lambda: now[0])
    first = await reader.read()
    assert (first.items_per_second, first.cost_micros_per_second) == ({}, None)
    now[0] += 2.0
    busy.jobs[0].progress.succeeded_count += 6
    busy.jobs[0].usage.cost_micros += 500_000
    busy.jobs.append(
        jobs_pb2.Job(job_id="a-4", state="JOB_STATE_RUNNING", usage=jobs_pb2.Usage(cost_micros=9))
    )
    second = await reader.read()
    assert second.items_per_second == {"a-1": 3.0, "a-2": 0.0}
    assert second.cost_micros_per_second == 250_000


async def test_dev_without_the_services_names_what_to_install(cli, tmp_path):
    hidden = "import importlib.metadata as m; m.entry_points = lambda **_: ()"
    (tmp_path / "sitecustomize.py").write_text(hidden)
    cli.env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), cli.env.get("PYTHONPATH", "")])
    done = await cli.run("dev", "--data", str(tmp_path / "data"))
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith("`headrace dev` needs: pip install headrace-services\n")
    assert not (tmp_path / "data").exists()


async def test_dev_runs_the_system_that_an_installed_distribution_offers(cli, tmp_path):
    info = tmp_path / "other_system-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-system\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[headrace.commands]\ndev = other_system:serve\n")
    (tmp_path / "other_system.py").write_text(
        "def serve(data, listen):\n    print(data, listen, flush=True)\n    return 7\n"
    )
    cli.env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), cli.env.get("PYTHONPATH", "")])
    done = await cli.run("dev", "--data", "here", "--listen", "127.0.0.1:0")
    assert (done.code, done.out) == (7, "here 127.0.0.1:0\n")


def test_consoles_have_no_markup_of_their_own():
    console = open_console(width=40)
    with console.capture() as capture:
        console.print("[red]:smile: 12")
    assert capture.get() == "[red]:smile: 12\n"
