"""Reads profiles of providers from YAML files.

A file of an operator extends the profiles that come with Headrace. Its hosts, models and rules come before
theirs, and its other values replace theirs. ``docs/providers.md`` describes the form.
"""

from collections.abc import Hashable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from services.worker.calls.provider.profiles.fields import Fields
from services.worker.calls.provider.profiles.profile import Profile
from services.worker.calls.provider.profiles.profile_fields import PartialProfile, read_profile

BUILTIN_FILE = Path(__file__).with_name("builtin_profiles.yaml")
DEFAULT = "default"


class Profiles:
    """Profiles by name, and by the host that they apply to.

    Args:
        by_name: Profiles in the order in which their hosts are compared. ``default`` must be among them.
    """

    def __init__(self, by_name: Mapping[str, Profile]) -> None:
        self.by_name = by_name

    def of(self, host: str) -> Profile:
        """Returns the profile of a host, or the default profile.

        Args:
            host: ``host`` or ``host:port``.
        """
        found = (profile for profile in self.by_name.values() if profile.serves(host))
        return next(found, self.by_name[DEFAULT])


def read_profiles(path: str | Path | None = None) -> Profiles:
    """Returns the profiles that come with Headrace, extended by those of a file.

    Args:
        path: The file. None for no file.

    Raises:
        ValueError: The file cannot be read or is invalid. The message names the file, the profile and the
            key.
    """
    builtin = _read_builtin()
    own = {} if path is None else _read_file(Path(path))
    names = [*own, *(name for name in builtin if name not in own)]
    merged = {name: _part(own, name).over(_part(builtin, name)) for name in names}
    default = merged[DEFAULT]
    by_name = {name: part.over(default).build(name) for name, part in merged.items() if name != DEFAULT}
    return Profiles({**by_name, DEFAULT: default.build(DEFAULT)})


@cache
def _read_builtin() -> Mapping[str, PartialProfile]:
    return _read_file(BUILTIN_FILE)


def _part(profiles: Mapping[str, PartialProfile], name: str) -> PartialProfile:
    return profiles.get(name) or PartialProfile()


def _read_file(path: Path) -> Mapping[str, PartialProfile]:
    try:
        content = yaml.load(path.read_text("utf-8"), _Loader)  # noqa: S506 - a subclass of SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} cannot be read ({type(error).__name__}); name a readable YAML file in UTF-8"
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid YAML: {_describe(error)}") from None
    if not isinstance(content, dict) or not isinstance(content.get("profiles"), dict):
        raise ValueError(f'{path} must be a mapping with a key "profiles" that is a mapping')
    if len(content) > 1:
        raise ValueError(f'{path} must have no key but "profiles"')
    profiles = Fields(f"{path}: profiles", content["profiles"])
    parts = {name: read_profile(f"{path}: profile {name}", profiles.raw(name)) for name in profiles.keys}
    if _part(parts, DEFAULT).hosts:
        raise ValueError(f"{path}: profile {DEFAULT}, key hosts must be absent: it applies to all others")
    return parts


def _describe(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or type(error).__name__
    return f"{problem} in line {mark.line + 1}" if mark else str(problem)


class _Loader(yaml.SafeLoader):
    """Refuses a key that occurs twice, which YAML's own loader overwrites without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice} occurs twice", node.start_mark
            )
        return super().construct_mapping(node, deep)
