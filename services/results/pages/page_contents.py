"""Pages of results with the keys and inputs of their items."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from services.results.database.transaction import Transaction
from services.results.pages.page_limits import count_fitting
from services.results.rows.item_contents import ItemContent, read_item_contents

# Maximum bytes of a result with its input. The public API has messages of up to 4 MB.
MAX_TOGETHER_BYTES = 3584 * 1024
# Bytes of a result without its texts.
RESULT_BYTES = 100


async def read_page_contents(
    tx: Transaction, job_id: str, keys: Sequence[Row[Any]], *, has_keys: bool, inputs: bool
) -> list[ItemContent] | None:
    """Returns the contents of the items of a page, perhaps of the first of them only; None if none is wanted.

    Args:
        tx: The transaction.
        job_id: The job.
        keys: Keys (item_index, round) of the results, with their ``text_bytes``.
        has_keys: Whether items of the job have keys.
        inputs: Whether inputs are wanted.
    """
    if not (has_keys or inputs):
        return None
    contents = await read_item_contents(tx, job_id, [key.item_index for key in keys], inputs=inputs)
    return [
        content if key.text_bytes + content.size <= MAX_TOGETHER_BYTES else content._replace(input="")
        for key, content in zip(keys, contents, strict=False)
    ]


def fit_page(keys: Sequence[Row[Any]], contents: Sequence[ItemContent] | None) -> Sequence[Row[Any]]:
    """Returns the first keys whose results fit into a page by their bytes; at least one.

    Args:
        keys: Keys of results, with their ``text_bytes``.
        contents: Contents of the items that travel with them.
    """
    if contents is None:
        return keys[: count_fitting([key.text_bytes + RESULT_BYTES for key in keys])]
    together = zip(keys, contents, strict=False)
    return keys[: count_fitting([key.text_bytes + content.size + RESULT_BYTES for key, content in together])]
