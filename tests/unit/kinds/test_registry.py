"""Kinds are found by name, including those of other distributions."""

from importlib.metadata import EntryPoint, EntryPoints

import pytest

from headrace.kinds import builtin_kinds, installed_kinds, registry


def offer(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    points = EntryPoints([EntryPoint("theirs", value, "headrace.kinds")])
    monkeypatch.setattr(registry, "entry_points", lambda group: points.select(group=group))


def test_the_built_in_kinds_are_classify_complete_and_noop():
    assert sorted(builtin_kinds()) == ["llm.classify", "llm.complete", "noop"]


def test_an_installed_distribution_can_offer_a_kind(monkeypatch):
    offer(monkeypatch, "headrace.kinds.noop:NOOP")
    monkeypatch.setattr(registry, "builtin_kinds", dict)
    assert list(installed_kinds()) == ["noop"]


def test_a_kind_with_a_taken_name_is_refused(monkeypatch):
    offer(monkeypatch, "headrace.kinds.noop:NOOP")
    with pytest.raises(ValueError, match="two kinds are named noop"):
        installed_kinds()


def test_an_entry_point_that_is_not_a_kind_is_refused(monkeypatch):
    offer(monkeypatch, "headrace.kinds.noop:NoopParams")
    with pytest.raises(TypeError, match="theirs"):
        installed_kinds()
