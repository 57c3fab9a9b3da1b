"""Descriptors of the protos, and the comments above their parts."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from deploy.local.paths import REPOSITORY

# Field numbers in FileDescriptorProto and below, which form the paths of source locations.
PACKAGE, MESSAGE, ENUM, SERVICE = 2, 4, 5, 6
NESTED_ENUM = 4
MEMBER = 2  # fields of a message, values of an enum, methods of a service

# A line of a comment that begins so starts a paragraph.
_LABELS = ("Errors:", "Remedy:", "Code:", "Metadata:")


def build_image(protos: Path = REPOSITORY / "protos") -> FileDescriptorSet:
    """Returns all files below a folder and their imports, with comments, imports first.

    Raises:
        subprocess.CalledProcessError: The protos do not compile. buf has printed the errors to stderr.
    """
    buf = REPOSITORY / ".venv/bin/buf"
    build = [str(buf), "build", str(protos), "--as-file-descriptor-set", "--output", "-"]
    image = subprocess.run(build, cwd=REPOSITORY, stdout=subprocess.PIPE, check=True).stdout  # noqa: S603
    return FileDescriptorSet.FromString(image)


def read_files(protos: Path = REPOSITORY / "protos") -> list[FileDescriptorProto]:
    """Returns the files of Headrace's own packages, with comments, ordered by name.

    Raises:
        subprocess.CalledProcessError: The protos do not compile. buf has printed the errors to stderr.
    """
    files = build_image(protos).file
    return sorted(
        (file for file in files if file.package.startswith(("headrace.", "headrace_internal."))),
        key=lambda file: file.name,
    )


class Comments:
    """Comments of one file, by the path of the part they stand above."""

    def __init__(self, file: FileDescriptorProto) -> None:
        locations = file.source_code_info.location
        self._by_path = {tuple(each.path): each.leading_comments for each in locations}
        self._headings = {tuple(each.path): each.leading_detached_comments for each in locations}

    def paragraphs(self, path: Sequence[int]) -> list[str]:
        """Returns the paragraphs above a part, each without line breaks; empty if there is no comment.

        Blank lines separate paragraphs. An item of a list ("- ") is a paragraph of its own, and a label such
        as "Errors:" begins one.
        """
        paragraphs: list[list[str]] = [[]]
        in_list = False
        for line in self._by_path.get(tuple(path), "").splitlines():
            text = line.strip()
            ends_list = in_list and not line.startswith("   ")
            if not text or text.startswith(("- ", *_LABELS)) or ends_list:
                paragraphs.append([])
                in_list = text.startswith("- ")
            if text:
                paragraphs[-1].append(text)
        return [" ".join(lines) for lines in paragraphs if lines]

    def heading(self, path: Sequence[int]) -> str:
        """Returns the detached comment before a part, without its full stop; empty if there is none."""
        detached = self._headings.get(tuple(path), ())
        return detached[-1].strip().removesuffix(".") if detached else ""
