"""The protos as descriptors, and the comments written above their parts."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from deploy.local.paths import REPOSITORY

# Field numbers in FileDescriptorProto and below: the paths of source locations are made of them.
PACKAGE, MESSAGE, ENUM, SERVICE = 2, 4, 5, 6
NESTED_ENUM = 4
MEMBER = 2  # of a message its fields, of an enum its values, of a service its methods


def build_image(protos: Path = REPOSITORY / "protos") -> FileDescriptorSet:
    """Returns all files of protos/ and what they import, with their comments, imports first.

    Raises:
        subprocess.CalledProcessError: The protos do not compile; buf has told why on stderr.
    """
    buf = REPOSITORY / ".venv/bin/buf"
    build = [str(buf), "build", str(protos), "--as-file-descriptor-set", "--output", "-"]
    image = subprocess.run(build, cwd=REPOSITORY, stdout=subprocess.PIPE, check=True).stdout  # noqa: S603
    return FileDescriptorSet.FromString(image)


def read_files(protos: Path = REPOSITORY / "protos") -> list[FileDescriptorProto]:
    """Returns the files of Headrace's own packages, with their comments, by name.

    Raises:
        subprocess.CalledProcessError: The protos do not compile; buf has told why on stderr.
    """
    files = build_image(protos).file
    return sorted(
        (file for file in files if file.package.startswith(("headrace.", "headrace_internal."))),
        key=lambda file: file.name,
    )


class Comments:
    """The comments of one file, by the path of what they stand above."""

    def __init__(self, file: FileDescriptorProto) -> None:
        self._by_path = {
            tuple(location.path): location.leading_comments for location in file.source_code_info.location
        }

    def paragraphs(self, path: Sequence[int]) -> list[str]:
        """Returns what stands above the part: a string each paragraph, without line breaks; [] for nothing.

        A line that begins with "Errors:" begins a paragraph.
        """
        paragraphs: list[list[str]] = [[]]
        for line in self._by_path.get(tuple(path), "").splitlines():
            text = line.strip()
            if not text or text.startswith("Errors:"):
                paragraphs.append([])
            if text:
                paragraphs[-1].append(text)
        return [" ".join(lines) for lines in paragraphs if lines]
