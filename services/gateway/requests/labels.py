"""Names and labels in requests."""

from collections.abc import Mapping

import orjson
from google.protobuf.descriptor import FieldDescriptor

from services.gateway.requests.fields import NO_NUL
from services.gateway.requests.violations import Violations


def is_map(field: FieldDescriptor) -> bool:
    """Returns whether a field of a message is a map."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def check_name_and_labels(name: str, labels: Mapping[str, str], violations: Violations) -> None:
    """Adds the violations that the rules of the proto do not find. Keys have no NUL by their rule."""
    if "\0" in name:
        violations.add("name", NO_NUL)
    for key, value in labels.items():
        if "\0" in value and not violations.names("labels"):
            violations.add(f"labels[{orjson.dumps(key).decode()}]", NO_NUL)


def label_pairs(labels: Mapping[str, str]) -> list[list[str]]:
    """Returns labels as pairs, ordered by their keys."""
    return [[key, labels[key]] for key in sorted(labels)]


def described(name: str, labels: Mapping[str, str]) -> list[bytes]:
    """Returns what a content hash has of a name and labels: nothing if a job has none."""
    if not name and not labels:
        return []
    return [orjson.dumps([name, label_pairs(labels)])]
