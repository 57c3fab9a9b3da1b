"""Checks the keys of items, beyond the rules of their proto."""

from headrace.gateway.v1 import gateway_pb2
from services.gateway.requests.violations import Violations


def check_key_count(
    request: gateway_pb2.SubmitJobRequest | gateway_pb2.AppendItemsRequest, violations: Violations
) -> None:
    """Adds a violation if there are keys, but not one for each item."""
    key_count, item_count = len(request.item_keys), len(request.items)
    if key_count and key_count != item_count and not violations.names("item_keys"):
        violations.add(
            "item_keys",
            f"must be empty or have a key for each item: there are {key_count:,} keys and {item_count:,} "
            "items; an item without a key has an empty text",
        )
