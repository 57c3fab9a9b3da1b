"""The web application of examples/fastapi in a real browser: live progress, restarts, escaped text."""

import asyncio
import json
import sqlite3

import aiohttp
import pytest

from deploy.local.packages import chromium_program, ensure_installed
from deploy.local.paths import REPOSITORY, run_directory
from deploy.local.ports import spare_port
from headrace import Client
from tests.examples.browser import Page

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]

APPLICATION = REPOSITORY / "examples/fastapi"
SCRIPT = "<img src=x onerror=document.title='broken'>"


class Application:
    """The web application, served by uvicorn as its README says."""

    def __init__(self, python, target, folder, example_environment):
        self.port = spare_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database = folder / "batches.db"
        self._log = folder / "application.log"
        self._python = python
        self._environment = example_environment(HEADRACE_TARGET=target, BATCHES_DATABASE=str(self.database))
        self.process = None

    async def start(self):
        with self._log.open("ab") as log:
            self.process = await self._spawn(log)
        async with asyncio.timeout(60), aiohttp.ClientSession() as session:
            while True:
                assert self.process.returncode is None, self._log.read_text()
                try:
                    async with session.get(self.url) as response:
                        assert response.status == 200
                        return
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.05)

    async def _spawn(self, log):
        return await asyncio.create_subprocess_exec(
            self._python, "-m", "uvicorn", "app:app", "--app-dir", str(APPLICATION),
            "--port", str(self.port), "--timeout-graceful-shutdown", "1",
            stdout=log, stderr=log, env=self._environment,
        )  # fmt: skip

    async def stop(self):
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            async with asyncio.timeout(30):
                await self.process.wait()


@pytest.fixture(scope="module")
def slow_system(servers):
    """The embedded system with few slots, so that a batch takes seconds."""
    from deploy.local.testing.embedded import TestEmbedded

    system = TestEmbedded(
        servers, settings={"HEADRACE_IN_FLIGHT_LIMIT": "2"}, stand_in_arguments=["--latency-ms", "300"]
    )
    system.start()
    yield system
    system.close()


@pytest.fixture(scope="module")
async def application(example_python, slow_system, tmp_path_factory):
    from tests.examples.conftest import environment

    folder = tmp_path_factory.mktemp("fastapi")
    application = Application(
        example_python, slow_system.gateway_target, folder, lambda **more: dict(environment(**more))
    )
    await application.start()
    yield application
    await application.stop()


@pytest.fixture(scope="module")
def browser_program():
    ensure_installed(["chromium"], run_directory() / "apt.log")
    program = chromium_program()
    assert program is not None
    return program


@pytest.fixture
async def page(browser_program, application, tmp_path):
    async with Page(browser_program, tmp_path / "browser") as page:
        await page.open(application.url)
        await page.wait_for("document.querySelector('#batch') !== null")
        yield page


async def submit(page, titles, name="Tried"):
    """Fills the form in as a user does, and notes each state that the page shows."""
    await page.value(
        "window.shown = []; new MutationObserver(() => window.shown.push("
        "[document.querySelector('#state').textContent, document.querySelector('#live progress').value]))"
        ".observe(document.querySelector('#live'), {subtree: true, childList: true, characterData: true})"
    )
    await page.value(
        f"document.querySelector('[name=name]').value = {json.dumps(name)};"
        f"document.querySelector('[name=titles]').value = {json.dumps(chr(10).join(titles))};"
        "document.querySelector('#batch button').click()"
    )


async def results_of(page, count):
    await page.wait_for(f"document.querySelectorAll('#results li').length === {count}")
    return await page.value("[...document.querySelectorAll('#results li')].map(li => li.textContent)")


async def test_the_page_shows_live_progress_and_the_results(page, application):
    await submit(page, [f"Line cook {number}" for number in range(20)])
    lines = await results_of(page, 20)
    assert lines[3].startswith("Line cook 3: ")
    shown = await page.value("window.shown")
    counts = [count for _, count in shown]
    assert counts == sorted(counts)
    assert len(set(counts)) > 2, "the progress was seen on its way"
    assert shown[-1][0] == "SUCCEEDED"
    assert await page.value("document.querySelector('#detail').textContent") == "20 of 20"
    assert page.complaints == []


async def test_the_page_asks_no_other_site(page, application):
    await submit(page, ["Line cook"])
    await results_of(page, 1)
    asked = {url for url in page.requested if not url.startswith(("data:", "about:"))}
    assert asked
    assert {url for url in asked if not url.startswith(application.url)} == set()


async def test_text_of_users_stays_text(page, application):
    await submit(page, [f"Cook {SCRIPT}"], name=f"Name {SCRIPT}")
    assert (await results_of(page, 1))[0].startswith(f"Cook {SCRIPT}: ")
    await page.open(application.url)
    await page.wait_for("document.querySelector('#batches li') !== null")
    listed = await page.value("document.querySelector('#batches').textContent")
    assert f"Name {SCRIPT}" in listed
    assert await page.value("document.querySelectorAll('img').length") == 0
    assert await page.value("document.title") == "Job titles"


async def test_a_batch_that_is_not_valid_is_explained(page):
    await submit(page, ["x" * 201])
    await page.wait_for("document.querySelector('#state').textContent === 'refused'")


async def test_the_page_continues_after_a_restart_of_the_application(page, application):
    await submit(page, [f"Nurse {number}" for number in range(40)])
    await page.wait_for("document.querySelector('#live progress').value >= 2")
    await application.stop()
    await page.wait_for("document.querySelector('#state').textContent === 'reconnecting'")
    await application.start()
    assert len(await results_of(page, 40)) == 40
    shown = await page.value("window.shown")
    counts = [count for _, count in shown]
    assert counts == sorted(counts), "it continued, and did not begin again"
    assert [headers for headers in page.sent_headers if headers.get("last-event-id")]


async def test_last_event_id_continues_the_watch_after_that_event(application):
    async with aiohttp.ClientSession() as session:
        job_id = await post(session, application, "resumed", 20)
        url = f"{application.url}/jobs/{job_id}/events"
        first = await read_events(
            session, url, {}, until=lambda event: event["job"]["progress"]["succeeded_count"]
        )
        token, seq = first[-1]["id"], first[-1]["job"]["seq"]
        later = await read_events(session, url, {"Last-Event-ID": token})
        assert later[0]["job"]["seq"] > seq
        assert later[-1]["job"]["state"] == "SUCCEEDED"


async def test_a_last_event_id_that_is_none_of_ours_begins_with_the_present_snapshot(application):
    async with aiohttp.ClientSession() as session:
        job_id = await post(session, application, "nonsense", 1)
        url = f"{application.url}/jobs/{job_id}/events"
        events = await read_events(session, url, {"Last-Event-ID": "nonsense"})
        assert events[-1]["job"]["state"] == "SUCCEEDED"


async def post(session, application, name, count):
    batch = {"name": name, "titles": [f"Cook {number}" for number in range(count)]}
    async with session.post(f"{application.url}/jobs", json=batch) as response:
        return (await response.json())["job_id"]


async def read_events(session, url, headers, until=lambda event: False):
    """Reads a stream of events to its end, or to the first one that is wanted."""
    events = []
    async with asyncio.timeout(30), session.get(url, headers=headers) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        fields = {}
        async for line in response.content:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            fields[name] = value
            if name == "" and "data" in fields:
                events.append({**json.loads(fields["data"]), "id": fields["id"]})
                fields = {}
                if until(events[-1]):
                    break
    return events


async def test_errors_of_the_gateway_become_http_errors(application):
    async with aiohttp.ClientSession() as session:
        unknown = "0190b0f0-0000-7000-8000-000000000001"
        for path, status in ((f"jobs/{unknown}/events", 404), ("jobs/nonsense/results", 422)):
            async with session.get(f"{application.url}/{path}") as response:
                assert response.status == status
                assert (await response.json())["reason"] in ("JOB_NOT_FOUND", "INVALID_FIELD")


async def test_a_request_that_is_sent_twice_makes_one_job(application):
    async with aiohttp.ClientSession() as session:
        ids = set()
        for _ in range(2):
            async with session.post(
                f"{application.url}/jobs",
                json={"name": "twice", "titles": ["Cook"]},
                headers={"Idempotency-Key": "the-same"},
            ) as response:
                assert response.status == 202
                ids.add((await response.json())["job_id"])
        assert len(ids) == 1


async def test_an_end_that_came_while_the_application_was_down_is_learned(application, slow_system):
    async with aiohttp.ClientSession() as session:
        job_id = await post(session, application, "meanwhile", 10)
    await application.stop()
    async with Client(slow_system.gateway_target) as hr:
        async for _ in hr.watch(job_id, timeout=60):
            pass
    await application.start()
    async with asyncio.timeout(30):
        while stored_state(application, job_id) != "SUCCEEDED":
            await asyncio.sleep(0.05)


def stored_state(application, job_id):
    with sqlite3.connect(application.database) as connection:
        (state,) = connection.execute("SELECT state FROM batches WHERE job_id = ?", (job_id,)).fetchone()
    return state
