"""The text of the file NOTICE."""

from collections.abc import Sequence

from deploy.licences.packages import Package

_HEAD = """\
Headrace
Copyright The Headrace contributors

Licensed under the Apache License, Version 2.0 (see LICENSE).

The files in protos/buf/ are generated from protovalidate, copyright Buf Technologies, Inc.,
licensed under the Apache License, Version 2.0.

THIRD-PARTY PACKAGES

Headrace runs on the packages below. They are not part of this repository: they are installed next
to it, unmodified, and each keeps its own licence. An image of Headrace contains them with their
licence files. The list is written by `make licences` from the metadata of the installed packages;
do not edit it.

dramatiq is licensed under the LGPL, version 3 or later. Headrace uses it as a library through its
public interface, so you can replace it with another version by installing that version. Its source
is at the address below. Parts of orjson are licensed under the MPL, version 2.0; its source is at
the address below too.

"""


def write_notice(packages: Sequence[Package]) -> str:
    """Returns the text of NOTICE: the project, then a line for each package."""
    names = max(len(package.name) for package in packages)
    licences = max(len(package.licence) for package in packages)
    lines = [f"{p.name:{names}}  {p.licence:{licences}}  {p.url}".rstrip() for p in packages]
    return _HEAD + "\n".join(lines) + "\n"
