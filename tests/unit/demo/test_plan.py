"""The environment decides the plan of the demonstration."""

import pytest

from examples.demo.provider import BadSettingError, Plan, read_plan


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
