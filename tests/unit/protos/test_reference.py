"""The API reference as it is generated from the protos."""

import re

import pytest

from deploy.protos.descriptors import read_files
from deploy.protos.reference import make_pages


@pytest.fixture(scope="module")
def pages():
    return make_pages()


def test_every_call_has_a_section_with_its_errors(pages):
    for file in read_files():
        page = "\n".join(pages.values())
        for service in file.service:
            for method in service.method:
                assert f"#### {method.name}\n" in page
    assert re.search(
        r"#### GetJob\n\n.*\n\n.*\n\nErrors:\n\n- .*\n- NOT_FOUND \(JOB_NOT_FOUND\)", pages["api.md"]
    )


def test_every_field_and_value_is_listed_with_its_meaning(pages):
    reference = "\n".join(text for page, text in pages.items() if page != "errors.md")
    rows = re.findall(r"^\| `\w+` \| .+ \| (.*) \|$", reference, re.MULTILINE)
    files = read_files()
    fields = sum(len(message.field) for file in files for message in file.message_type)
    values = sum(len(enum.value) for file in files for enum in file.enum_type)
    nested = sum(len(e.value) for file in files for message in file.message_type for e in message.enum_type)
    assert len(rows) == fields + values + nested
    assert all(rows)


def test_every_link_leads_to_its_message(pages):
    for page in pages.values():
        for target, name in re.findall(r"\]\((\S+\.md)#(\S+)\)", page):
            assert f'<a id="{name}"></a>' in pages[target]
