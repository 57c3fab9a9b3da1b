"""Rule that finds a limit on calls in flight: from a state and a round of calls to the next state.

The constants were found by simulation; see docs/decisions, "Calls in flight follow the provider".
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.worker.calls.concurrency.round import Round

# Calls in flight at first. 4 is 2 s slower from cold, 20 floods slow servers.
START_LIMIT = 8
# Largest growth in one round. 300 calls are in flight after three rounds.
_MAX_GROWTH = 16

# A round without too many rejections is over once this part of the limit was answered, and a smaller part
# before the first cut. After it, small limits need this many answers: fewer say little of random rejections.
_ANSWERED_PART = 1 / 2
_FIRST_ANSWERED_PART = 1 / 4
_MIN_ANSWERED_COUNT = 8

# Share of rejections above the noise that is borne. With 0.06, 5 % of random rejections cost three quarters
# of the throughput. With 0.10, a provider with 20 slots rejects 6 % of all calls.
_MARGIN = 0.08
# Rejections that are borne above that share. Two rejections never cut.
_EXTRA_REJECTIONS = 2.0
# Until the first cut, this many standard deviations of a share at the margin are borne too, and a round with
# fewer rejections is clean. Each of the short rounds of a cold start otherwise cuts by chance: of 100 starts
# with 5 % of random rejections, 6 stayed below three quarters of the throughput, some at 2 %. A real limit is
# exceeded by far, as the first rounds grow by large factors.
_COLD_DEVIATIONS = 1.5
# Below this part of the margin, the step of growth doubles.
_CALM = 0.5
# Lowest part of the limit that a cut for rejections keeps.
_MIN_KEPT = 0.1
# Mean latencies until the round after a cut for rejections is decided. Each probe of a hard limit costs 3 to
# 5 rejections, so probes are rare.
_QUIET_LATENCIES = 12
# A cut was useless if this part of the earlier share of rejections is left, and the share is below the
# maximum. Rejections that a cut does not change are not caused by these workers.
_USELESS = 0.6
_MAX_NOISE = 0.7
# Rejections that come after a cut for at least this share of rejections deepen it. Calls that begin together
# are rejected one after the other, and half of them decide: otherwise 128 calls at a cap of 20 are cut to 60.
# After small cuts late rejections are random, and a cap that rises again would be used 8 s later.
_LATE_SHARE = 0.2
# The noise falls to this multiple of the share of rejections in a round with one more rejection. Without that
# one, short rounds without rejections forget the noise: 10 % of random rejections then cost up to 96 % of the
# throughput.
_NOISE_FALL = 2

# Parts of a call's timeout. Latencies up to the first are fast whatever is usual, which bears 10 s of
# queueing at a timeout of 120 s. Growth that would raise the latency above three times the second is not
# made.
_FAST_PART = 1 / 24
_SLOW_PART = 1 / 8
# Answers for a reliable mean latency. Lengths of outputs vary, so the least latency means little.
_SURE_COUNT = 10
# A cut for latency did not help if more than this part of the latency is left: then it is the usual one.
_NO_HELP = 0.75
# Latencies above this multiple of the usual one cut the limit, but never below the part.
TOO_SLOW = 2
_MIN_KEPT_IF_SLOW = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitState:
    """State of a model's limit between two decisions. Workers that share a limit share its state.

    Attributes:
        decision_id: Names the decision that led to it. Empty for none.
        limit: Maximum calls in flight of all workers. 0 before the first decision: each has START_LIMIT.
        step: Growth in the next round.
        noise: Share of calls that is rejected whatever the workers do.
        usual_latency: Least mean latency, in seconds.
        latency: Latest mean latency, in seconds.
        latency_sum: Latencies of earlier rounds that belong to the next mean, in seconds.
        latency_count: Their number.
        quiet_until: Time before which nothing is decided, by the clock of this process.
        limit_at_cut: Limit before the last cut.
        limit_before_growth: Limit of the round before, if that round was clean. 0 for none.
        share_at_cut: Share of rejections that led to it. 0 if it was for latency, or has been confirmed.
        latency_at_cut: Latency that led to it. Infinite if it was for rejections, or has been looked at.
        cut_begun_count: Calls of the round that led to the last decision. 0 if it was not a cut.
        cut_rejected_count: Rejected ones of them.
        counted: Calls of each other worker that the last decision counted, and the rejected ones of them, by
            name.
    """

    decision_id: str = ""
    limit: float = 0.0
    step: float = math.inf
    noise: float = 0.0
    usual_latency: float = math.inf
    latency: float = 1.0
    latency_sum: float = 0.0
    latency_count: int = 0
    quiet_until: float = -math.inf
    limit_at_cut: float = math.inf
    limit_before_growth: float = 0.0
    share_at_cut: float = 0.0
    latency_at_cut: float = math.inf
    cut_begun_count: int = 0
    cut_rejected_count: int = 0
    counted: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def restarted(self) -> "LimitState":
        """Returns a state that starts from few calls and keeps what is known of noise and latency."""
        return LimitState(noise=self.noise, usual_latency=self.usual_latency, latency=self.latency)


def with_late_rejections(state: LimitState, calls: Round) -> LimitState:
    """Returns the state as if its cut had known of the rejections that came after it.

    Args:
        state: State after the last decision.
        calls: Calls since then.
    """
    if not state.cut_begun_count or not calls.late_rejected_count or state.share_at_cut < _LATE_SHARE:
        return state
    rejected_count = state.cut_rejected_count + calls.late_rejected_count
    share = min(1.0, rejected_count / (state.cut_begun_count + calls.late_begun_count))
    if share <= state.share_at_cut:
        return state
    limit = _limit_after_rejections(state, state.limit_at_cut, share)
    return replace(state, limit=min(state.limit, limit), share_at_cut=share)


def decide(state: LimitState, calls: Round, now: float) -> LimitState | None:
    """Returns the next state. None if the round is not over.

    Args:
        state: Current state. Its limit must be set.
        calls: Calls of all workers that share the limit.
        now: Time, by the clock of the state.
    """
    if now < state.quiet_until:
        return None
    rejected_count, answered_count = calls.rejected_count, calls.answered_count
    excess = rejected_count - (state.noise + _MARGIN) * calls.begun_count
    borne, clean = _EXTRA_REJECTIONS, 0.0
    if state.step == math.inf:
        borne, clean = borne + _COLD_DEVIATIONS * math.sqrt(_MARGIN * calls.begun_count), borne
    if excess > borne and rejected_count + answered_count >= state.limit * _ANSWERED_PART:
        return _after_rejections(state, calls, now)
    if excess <= clean and _has_enough_answers(state, calls):
        return _after_answers(state, calls, now)
    return None


def _has_enough_answers(state: LimitState, calls: Round) -> bool:
    if state.step == math.inf:
        count = state.limit * _FIRST_ANSWERED_PART
    else:
        count = max(state.limit * _ANSWERED_PART, _MIN_ANSWERED_COUNT)
    return calls.answered_count >= count and not _is_usual_latency_unclear(state, calls)


def _is_usual_latency_unclear(state: LimitState, calls: Round) -> bool:
    """Returns whether the first answers are slow and too few for a mean latency."""
    latency_count = state.latency_count + calls.answered_count
    return (
        state.usual_latency == math.inf
        and latency_count < _SURE_COUNT
        and state.latency_sum + calls.latency_sum > _fast_latency(calls) * latency_count
    )


def _fast_latency(calls: Round) -> float:
    return calls.timeout_seconds * _FAST_PART


def _after_rejections(state: LimitState, calls: Round, now: float) -> LimitState:
    share = calls.rejected_share
    if state.share_at_cut and _USELESS * state.share_at_cut <= share < _MAX_NOISE:
        return replace(
            state,
            noise=share,
            share_at_cut=0.0,
            limit=state.limit_at_cut,
            latency_sum=state.latency_sum + calls.latency_sum,
            latency_count=state.latency_count + calls.answered_count,
            cut_begun_count=0,
        )
    limit = _limit_after_rejections(state, state.limit, share)
    cut = _cut(state, limit, now + _QUIET_LATENCIES * state.latency)
    return replace(
        cut,
        share_at_cut=share,
        cut_begun_count=calls.begun_count,
        cut_rejected_count=calls.rejected_count,
    )


def _after_answers(state: LimitState, calls: Round, now: float) -> LimitState:
    latency_sum = state.latency_sum + calls.latency_sum
    latency_count = state.latency_count + calls.answered_count
    latency = latency_sum / latency_count
    state = replace(
        state,
        noise=min(state.noise, _NOISE_FALL * (calls.rejected_count + 1) / calls.begun_count),
        share_at_cut=0.0,
        latency=latency,
        latency_sum=latency_sum,
        latency_count=latency_count,
        cut_begun_count=0,
    )
    if latency_count >= _SURE_COUNT or state.usual_latency == math.inf:
        state = _with_usual_latency(state)
        usual = max(_fast_latency(calls), state.usual_latency)
        if latency > TOO_SLOW * usual:
            cut = _cut(state, state.limit * max(usual / latency, _MIN_KEPT_IF_SLOW), now + latency)
            return replace(cut, latency_at_cut=latency)
    state = replace(state, limit_before_growth=state.limit)
    if calls.in_use_count * 2 >= state.limit and not calls.is_scarce:
        return _grown(state, calls)
    return state


def _with_usual_latency(state: LimitState) -> LimitState:
    if state.latency > _NO_HELP * state.latency_at_cut:
        usual = state.latency
    else:
        usual = min(state.usual_latency, state.latency)
    return replace(state, usual_latency=usual, latency_at_cut=math.inf, latency_sum=0.0, latency_count=0)


def _grown(state: LimitState, calls: Round) -> LimitState:
    slow_latency = calls.timeout_seconds * _SLOW_PART
    bearable = 3 * min(max(_fast_latency(calls), state.usual_latency / 2), slow_latency)
    growth = min(_MAX_GROWTH, bearable / state.latency) if state.latency > 0 else _MAX_GROWTH
    limit = max(state.limit, min(state.limit + state.step, state.limit * growth))
    is_calm = calls.rejected_share <= state.noise + _MARGIN * _CALM
    return replace(state, limit=limit, step=state.step * 2 if is_calm else state.step)


def _limit_after_rejections(state: LimitState, limit: float, share: float) -> float:
    """Returns a limit without the share of its calls that was rejected.

    If it grew at least twofold, the calls of the clean round before may hold all slots of the provider, and
    nearly all others are rejected. The limit of that round is kept then.
    """
    proven = state.limit_before_growth if 2 * state.limit_before_growth <= limit else 0.0
    return max(limit * max(1 - share, _MIN_KEPT), proven)


def _cut(state: LimitState, limit: float, quiet_until: float) -> LimitState:
    return replace(
        state,
        limit_at_cut=state.limit,
        limit=limit,
        step=1.0,
        latency_sum=0.0,
        latency_count=0,
        quiet_until=quiet_until,
    )
