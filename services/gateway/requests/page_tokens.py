"""Page tokens: a position, bound to the query whose pages it continues."""

import hashlib
from typing import Any

import orjson

from headrace.errors import FieldViolation, InvalidArgumentError
from headrace.reasons import ErrorReason
from services.gateway.requests.fields import is_canonical_job_id
from services.gateway.requests.opaque_text import seal, unseal

_MAX_INDEX = 2**63 - 1


class PagedQuery:
    """A query that is answered in pages; its tokens are valid for this query alone.

    Args:
        call: Name of the call, such as ListJobs.
        fields: Tenant and every field of the query except page_size and page_token, as JSON values.
    """

    def __init__(self, call: str, *fields: Any) -> None:
        self._digest = hashlib.sha256(orjson.dumps([call, *fields])).hexdigest()[:24]

    def page_token(self, position: str | int) -> str:
        """Returns the token of the page after a position."""
        return seal(["page", self._digest, position])

    def job_position(self, page_token: str) -> str:
        """Returns the job_id in a token; empty for an empty token.

        Raises:
            InvalidArgumentError: INVALID_PAGE_TOKEN: not a token of this query.
        """
        if not page_token:
            return ""
        match unseal(page_token):
            case ["page", self._digest, str(position)] if is_canonical_job_id(position):
                return position
        raise _invalid_page_token()

    def index_position(self, page_token: str) -> int:
        """Returns the item_index, or another number from 0, in a token; -1 for an empty token.

        Raises:
            InvalidArgumentError: INVALID_PAGE_TOKEN: not a token of this query.
        """
        if not page_token:
            return -1
        match unseal(page_token):
            case ["page", self._digest, int(position)] if 0 <= position <= _MAX_INDEX:
                return position
        raise _invalid_page_token()


def _invalid_page_token() -> InvalidArgumentError:
    problem = "is not a next_page_token of this query; start again without a token"
    return InvalidArgumentError(
        f"page_token {problem}",
        reason=ErrorReason.INVALID_PAGE_TOKEN,
        violations=[FieldViolation("page_token", problem)],
    )
