"""Counts the cost of calls, and holds back calls that an allowance cannot pay for."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from headrace.jobs.v1 import jobs_pb2
from headrace.kinds import JobFailedError, RetryableError
from headrace.reasons import ErrorReason
from services.shared.answered_models import merge_models
from services.shared.logging import get_logger
from services.shared.prices import Price, Prices
from services.worker.calls.allowance import Allowance
from services.worker.calls.price_estimates import JobHistory
from services.worker.calls.provider.provider import (
    UNKNOWN_COST_MICROS,
    CompletionRequest,
    RequestForm,
    form_of_options,
)
from services.worker.metrics import COST_DOLLARS, TOKENS, model_label

log = get_logger(__name__)

MAX_HISTORIES = 1_000
MAX_LOGGED_MODELS = 100


class CallCosts:
    """Prices of models, and the calls so far of this worker's jobs with a budget.

    Args:
        prices: Prices by model.
        form_of: Returns the form of a request, with the service tier that it asks for.
    """

    def __init__(
        self, prices: Prices, form_of: Callable[[CompletionRequest], RequestForm] = form_of_options
    ) -> None:
        self._prices = prices
        self._form_of = form_of
        self._histories: OrderedDict[str, JobHistory] = OrderedDict()
        self._logged_models: set[str] = set()

    def price_of(self, model: str) -> Price | None:
        """Returns a model's price. None if it is unknown, which is logged once per model."""
        price = self._prices.of(model)
        if (
            price is None
            and model not in self._logged_models
            and len(self._logged_models) < MAX_LOGGED_MODELS
        ):
            self._logged_models.add(model)
            log.warning("price_unknown", model=model)
        return price

    def asked_tier(self, request: CompletionRequest) -> str | None:
        """Returns the service tier that a request asks for. None if it asks for none."""
        return self._form_of(request).service_tier

    def history_of(self, job_id: str) -> JobHistory:
        """Returns the history of a job's calls. It outlives the job's leases."""
        history = self._histories.setdefault(job_id, JobHistory())
        self._histories.move_to_end(job_id)
        if len(self._histories) > MAX_HISTORIES:
            self._histories.popitem(last=False)
        return history


@dataclass
class ServedTier:
    """Service tier that served a call.

    Attributes:
        name: The tier that the answer names. Empty before the answer, and if it names none.
    """

    name: str = ""


class CallMeter:
    """Counts the calls of one attempt of an item.

    Args:
        costs: Prices and histories of the worker.
        job_id: The item's job.
        usage: The calls are added to it.
        allowance: Allowance of the item's chunk. None if the job has no budget.

    Attributes:
        job_id: The item's job.
        needed_micros: Price of the cheapest call that was held back. 0 if none was.
    """

    def __init__(
        self, costs: CallCosts, job_id: str, usage: jobs_pb2.Usage, allowance: Allowance | None = None
    ) -> None:
        self._costs = costs
        self.job_id = job_id
        self._usage = usage
        self._allowance = allowance
        self._history = costs.history_of(job_id) if allowance is not None else JobHistory()
        self.needed_micros = 0

    @contextmanager
    def counted(
        self, request: CompletionRequest, served: ServedTier | None = None
    ) -> Iterator[jobs_pb2.Usage]:
        """Yields a usage for the call of the block to fill in, and adds its cost.

        A call that fails costs the tokens that the provider reported, mostly none. A call of unknown cost,
        which the provider answered without saying what it used, costs what it took from the allowance.
        Without an allowance it costs its likely price.

        A call costs the price of the service tier that served it, or else of the one it asks for. Before the
        call, ``auto`` counts as the most expensive tier.

        Args:
            request: The call.
            served: For the block to fill in. None if the answer cannot name a tier.

        Raises:
            RetryableError: ALLOWANCE_SPENT. The call must not begin.
            JobFailedError: PRICE_UNKNOWN. The job has a budget, and the model no price.
        """
        price = self._costs.price_of(request.model)
        asked = self._costs.asked_tier(request) if price is not None and price.service_tiers else None
        taken = self._take(request, None if price is None else price.highest_of_tier(asked))
        spent = jobs_pb2.Usage()
        try:
            yield spent
        finally:
            if price is not None:
                price = price.of_tier((served.name if served else "") or asked)
            spent.cost_micros = self._cost_of(request, price, spent, taken)
            self._add(spent)
            _count(request.model, spent)
            if self._allowance is not None:
                self._allowance.settle(taken, spent.cost_micros)
                self._history.note(request, spent)

    def _take(self, request: CompletionRequest, price: Price | None) -> int:
        if self._allowance is None:
            return 0
        if price is None:
            raise JobFailedError(
                ErrorReason.PRICE_UNKNOWN,
                f"the job has a budget, and the price of the model {request.model} is unknown; "
                "add it to HEADRACE_PRICES_FILE, or submit without a budget",
            )
        highest, likely = self._history.price_of(request, price)
        taken = self._allowance.take(highest, likely)
        if taken is None:
            wanted = likely if self._allowance.is_remainder else highest
            self.needed_micros = min(wanted, self.needed_micros or wanted)
            raise RetryableError(
                ErrorReason.ALLOWANCE_SPENT, "the rest of the job's budget cannot pay for the call"
            )
        return taken

    def _cost_of(
        self, request: CompletionRequest, price: Price | None, spent: jobs_pb2.Usage, taken: int
    ) -> int:
        if price is None:
            return 0
        reported = price.cost_micros(spent.input_tokens, spent.output_tokens, spent.cached_tokens)
        if spent.cost_micros != UNKNOWN_COST_MICROS:
            return reported
        estimate = taken if self._allowance is not None else self._history.price_of(request, price).likely
        return max(reported, estimate)

    def _add(self, spent: jobs_pb2.Usage) -> None:
        for field, value in spent.ListFields():
            if field.name != "answered_models":
                setattr(self._usage, field.name, getattr(self._usage, field.name) + value)
        if spent.answered_models:
            models = merge_models(self._usage.answered_models, spent.answered_models)
            self._usage.answered_models[:] = models


def _count(model: str, spent: jobs_pb2.Usage) -> None:
    """Counts the tokens and the cost of a call in the metrics."""
    label = model_label(model)
    for type_, count in (
        ("input", spent.input_tokens),
        ("output", spent.output_tokens),
        ("cached", spent.cached_tokens),
    ):
        if count:
            TOKENS.labels(label, type_).inc(count)
    if spent.cost_micros:
        COST_DOLLARS.labels(label).inc(spent.cost_micros / 1_000_000)
