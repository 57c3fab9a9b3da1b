"""The environment decides the plan of the demonstration, and the settings of its system."""

import pytest

from examples.demo.provider import BadSettingError, Plan, child_environment, read_plan, system_environment


@pytest.mark.parametrize(
    ("environ", "plan"),
    [
        ({}, Plan(10_000, "gpt-4o-mini", None)),
        ({"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}, Plan(10_000, "gpt-4o-mini", None)),
        ({"OPENAI_API_KEY": "k"}, Plan(200, "gpt-4o-mini", "api.openai.com")),
        ({"OPENAI_BASE_URL": "http://u:p@host:8000/v1"}, Plan(200, "gpt-4o-mini", "host")),
        ({"OPENAI_API_KEY": "k", "DEMO_ITEMS": "7", "DEMO_MODEL": "m"}, Plan(7, "m", "api.openai.com")),
        ({"DEMO_ITEMS": "17269"}, Plan(17_269, "gpt-4o-mini", None)),
    ],
)
def test_the_environment_is_followed(environ, plan):
    assert read_plan(environ, 17_269) == plan


@pytest.mark.parametrize("text", ["0", "17270", "-1", "many", "1.5", "²"])
def test_an_impossible_number_of_items_is_refused(text):
    with pytest.raises(BadSettingError, match=r"DEMO_ITEMS .* 1 to 17,269"):
        read_plan({"DEMO_ITEMS": text}, 17_269)


def test_the_embedded_system_has_the_settings_of_the_environment():
    worker = {
        "HEADRACE_IN_FLIGHT_LIMIT": "4",
        "HEADRACE_LIMITS": '{"m": {"requests": 60}}',
        "HEADRACE_TENANT_CONCURRENCY": "3",
        "HEADRACE_DRAIN_SECONDS": "20",
        "HEADRACE_LOG_LEVEL": "DEBUG",
        "OPENAI_API_KEY": "k",
        "PATH": "/bin",
    }
    own = {"HEADRACE_LISTEN": "127.0.0.1:0", "HEADRACE_DATABASE_URL": "sqlite:///x", "HEADRACE_MODEL": "m"}
    others = dict.fromkeys(own, "another")
    assert system_environment(worker | others, Plan(1, "m", "host"), "sqlite:///x") == worker | own


def test_the_embedded_system_stops_soon_and_logs_little_unless_the_environment_says_otherwise():
    found = system_environment({"HEADRACE_LOG_LEVEL": ""}, Plan(1, "m", "host"), "sqlite:///x")
    assert (found["HEADRACE_DRAIN_SECONDS"], found["HEADRACE_LOG_LEVEL"]) == ("3", "WARNING")


def test_a_child_has_no_variables_with_a_dropped_prefix():
    environ = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "u", "HEADRACE_LIMITS": "l"}
    found = child_environment(environ, ("OPENAI_",), OPENAI_BASE_URL="stand-in")
    assert found == {"HEADRACE_LIMITS": "l", "OPENAI_BASE_URL": "stand-in"}
