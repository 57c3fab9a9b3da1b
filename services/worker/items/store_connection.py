"""The worker's connection to the store."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.stubs.results.v1 import results_pb2

if TYPE_CHECKING:
    from services.stubs.results.v1.results_pb2_grpc import ResultsServiceAsyncStub


@dataclass(frozen=True)
class StoreConnection:
    """The stub of the results service, with what every call to it needs.

    Attributes:
        results: Stub of the results service.
        incarnation: Incarnation of this worker, named in every call.
        carry_out: Carries out the effects of each response.
        target: Address of the results service, for the log.
    """

    results: "ResultsServiceAsyncStub"
    incarnation: str
    carry_out: Callable[[results_pb2.Effects], None]
    target: str = ""
