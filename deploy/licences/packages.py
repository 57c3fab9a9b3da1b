"""Run-time dependencies, direct and transitive, and their licences, from installed metadata."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from importlib import metadata
from typing import cast

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OWN = ("headrace", "headrace-services")
# Licences that Headrace may be shipped with. Review a new one before you add it here. If it asks more than to
# keep its text, explain it in NOTICE.
ACCEPTED = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "ISC",
        "LGPL-3.0-or-later",
        "MIT",
        "MPL-2.0",
        "PSF-2.0",
        "Zlib",
    }
)
# Licences that metadata names in words, by their SPDX identifiers.
_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
}
# The environment of the image: the result must not depend on the Python that runs this module.
_IMAGE = {
    "python_version": "3.13",
    "python_full_version": "3.13.0",
    "implementation_version": "3.13.0",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "platform_release": "",
    "platform_version": "",
}
_HOME_LABELS = ("homepage", "home", "repository", "source", "source code", "github", "code", "documentation")


class LicenceError(Exception):
    """A package is not installed, or its metadata names no licence."""


@dataclass(frozen=True)
class Package:
    """A third-party package.

    Attributes:
        name: Name of the distribution.
        licence: SPDX expression.
        url: Home page or source, empty if metadata names neither.
    """

    name: str
    licence: str
    url: str


def find_packages(roots: Iterable[str] = OWN) -> list[Package]:
    """Returns the packages that the roots need on Linux, with all extras of the roots, by name.

    Raises:
        LicenceError: A package is not installed, or its licence is not known.
    """
    own: set[str] = {canonicalize_name(root) for root in roots}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(root, frozenset(_metadata(root).get_all("Provides-Extra") or [])) for root in own]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) not in seen:
            seen.add((name, extras))
            waiting.extend(_requirements(name, extras))
    names = sorted({name for name, _ in seen} - own)
    return [Package(name, _licence(_metadata(name)), _url(_metadata(name))) for name in names]


def _requirements(name: str, extras: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
    found: list[tuple[str, frozenset[str]]] = []
    for text in _metadata(name).get_all("Requires-Dist") or []:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({**_IMAGE, "extra": extra}) for extra in {"", *extras}):
            found.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return found


def _metadata(name: str) -> Message:
    try:
        return cast(Message, metadata.metadata(name))
    except metadata.PackageNotFoundError:
        raise LicenceError(f"{name} is not installed; run: make setup") from None


def _licence(fields: Message) -> str:
    prefix = "License :: OSI Approved :: "
    classified = [c.removeprefix(prefix) for c in fields.get_all("Classifier") or [] if c.startswith(prefix)]
    named = [str(fields.get(key) or "").strip() for key in ("License-Expression", "License")]
    for text in [*named, *classified]:
        licence = _SPDX.get(text, text)
        parts = set(re.findall(r"[\w.+-]+", licence)) - {"AND", "OR"}
        if parts and parts <= ACCEPTED:
            return licence
    raise LicenceError(
        f"The licence of {fields.get('Name')} is not one of those accepted: {named or classified}. "
        "Review it, then add it to ACCEPTED in deploy/licences/packages.py"
    )


def _url(fields: Message) -> str:
    urls = {}
    for line in fields.get_all("Project-URL") or []:
        label, _, url = line.partition(",")
        urls[label.strip().lower()] = url.strip()
    return next((urls[label] for label in _HOME_LABELS if label in urls), str(fields.get("Home-page") or ""))
