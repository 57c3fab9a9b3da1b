"""Limits on calls in flight that all workers of a Redis share."""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from redis.exceptions import RedisError

from services.shared.degradation import Degradation
from services.shared.logging import get_logger
from services.worker.calls.concurrency.encoding import (
    decode_report,
    decode_state,
    encode_report,
    encode_state,
)
from services.worker.calls.concurrency.limit import ConcurrencyLimit
from services.worker.calls.concurrency.membership import Membership, Message, Reply
from services.worker.calls.exchange_loop import PERIOD_SECONDS, ExchangeLoop
from services.worker.calls.redis_client import SCRIPT_TIMEOUT_SECONDS, open_redis

log = get_logger(__name__)

# Time limit of each exchange, time until a model without calls is not exchanged, and time without an exchange
# after which this worker continues alone. In seconds.
_TIMEOUT_SECONDS = 1.0
_IDLE_SECONDS = 2.0
LOSS_SECONDS = 2.0
# A new member reports again after this time, in seconds. So others that start together see the calls that it
# began with what is known.
_SECOND_SECONDS = 0.05
# A worker that has not reported for this long, or for three of its periods, has no part of the limit. In
# seconds.
EXPIRY_SECONDS = 5.0
# Each reply holds the reports of all workers. So larger fleets than this number exchange less often, in
# proportion, but once in the time in seconds.
_MANY_WORKERS = 16
_MAX_PERIOD_SECONDS = 4.0
_MAX_EXPIRY_SECONDS = 3 * _MAX_PERIOD_SECONDS
# What is known of a model is kept for this long after its last call, in seconds.
LIFETIME_SECONDS = 86_400

# KEYS: shared state, reports. ARGV: worker, report, id of the proposed state (empty for none), the state, id
# of the state that it follows, lifetime of the report. Returns id, state and its age, then the name and the
# report of each worker. Times are milliseconds of Redis's own clock. An end too far ahead was written by a
# clock that has since gone back.
_EXCHANGE = f"""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local shared = redis.call('HMGET', KEYS[1], 'id', 'state', 'time')
if ARGV[3] ~= '' and (not shared[1] or shared[1] == ARGV[5]) then
  shared = {{ARGV[3], ARGV[4], string.format('%.0f', now)}}
  redis.call('HSET', KEYS[1], 'id', shared[1], 'state', shared[2], 'time', shared[3])
end
redis.call('EXPIRE', KEYS[1], {LIFETIME_SECONDS})
local own_end = string.format('%.0f', now + ARGV[6])
redis.call('HSET', KEYS[2], ARGV[1], own_end .. ' ' .. ARGV[2])
redis.call('EXPIRE', KEYS[2], {2 * _MAX_EXPIRY_SECONDS:.0f})
local reply = {{shared[1] or '', shared[2] or '', string.format('%.0f', now - (shared[3] or now))}}
local reports = redis.call('HGETALL', KEYS[2])
for i = 1, #reports, 2 do
  local ends, report = string.match(reports[i + 1], '^(%d+) (.*)$')
  ends = tonumber(ends)
  if ends <= now or ends > now + {2 * _MAX_EXPIRY_SECONDS * 1000:.0f} then
    redis.call('HDEL', KEYS[2], reports[i])
  else
    table.insert(reply, reports[i])
    table.insert(reply, report)
  end
end
return reply
"""


class SharedLimits:
    """Shares the limits of models with calls through Redis. Calls never wait for it.

    A new model is asked for at once, and each model every 250 ms while it has calls, or less often in large
    fleets. While Redis cannot be reached, this worker continues alone from its part of each limit. Each
    change is logged once.

    Args:
        url: ``redis://host:port/db``.
        holder: Unique name of this process.
        provider: Name of the provider.
        clock: Monotonic clock, in seconds. It must be that of the limits.
    """

    def __init__(
        self, url: str, holder: str, provider: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._redis = open_redis(url, _TIMEOUT_SECONDS)
        self._holder = holder
        self._provider = provider
        self._clock = clock
        self._members: dict[str, Membership] = {}
        self._due_times: dict[str, float] = {}
        self._failure_time = math.inf  # of the first failure without a success after it
        self._is_short: Callable[[str], bool] = lambda model: False
        self._notify_changed: Callable[[], None] = lambda: None
        self._loop = ExchangeLoop(
            self._exchange,
            Degradation(log, "shared_limits"),
            _IDLE_SECONDS,
            is_kept=self._is_busy,
            clock=clock,
        )

    def serve(self, is_short: Callable[[str], bool], notify_changed: Callable[[], None]) -> None:
        """Sets the source of demand.

        Args:
            is_short: Returns whether calls of a model wait for slots of its limit.
            notify_changed: Called when limits may have grown.
        """
        self._is_short, self._notify_changed = is_short, notify_changed

    def note_use(self, model: str, limit: ConcurrencyLimit, *, is_short: bool) -> None:
        """Notes that a call of a model begins or waits.

        Args:
            model: The model.
            limit: Its limit on this worker.
            is_short: Whether the call waits for a slot of the limit.
        """
        member = self._members.get(model)
        if member is None or member.limit is not limit:
            member = self._members[model] = Membership(limit, self._holder)
            asyncio.get_running_loop().call_later(_SECOND_SECONDS, self._loop.wake)
        member.note_use(is_short=is_short)
        self._loop.use(model)

    async def close(self) -> None:
        """Leaves the other workers and closes the connections. Safe to repeat."""
        await self._loop.close()
        members, self._members = self._members, {}
        with suppress(RedisError, OSError):
            async with (
                asyncio.timeout(SCRIPT_TIMEOUT_SECONDS),
                self._redis.pipeline(transaction=False) as pipeline,
            ):
                for model in members:
                    pipeline.hdel(self._keys(model)[1], self._holder)
                await pipeline.execute()
        await self._redis.aclose()

    def _is_busy(self, model: str) -> bool:
        return self._members[model].limit.in_use_count > 0 or self._is_short(model)

    async def _exchange(self) -> None:
        models = self._loop.keys
        self._members = {model: self._members[model] for model in models}
        self._due_times = {model: self._due_times.get(model, 0.0) for model in models}
        now = self._clock()
        members = {model: self._members[model] for model in models if self._due_times[model] <= now}
        sent = {model: member.message(is_short=self._is_short(model)) for model, member in members.items()}
        try:
            replies = await self._ask(sent)
        except (RedisError, OSError):
            self._failure_time = min(self._failure_time, now)
            if now - self._failure_time >= LOSS_SECONDS:
                for member in self._members.values():
                    member.lose()
            raise
        self._failure_time = math.inf
        for model, reply in replies.items():
            members[model].receive(sent[model], reply)
            period = _period_seconds(1 + len(reply.others))
            if period > PERIOD_SECONDS:
                self._due_times[model] = now + period
        self._notify_changed()

    async def _ask(self, sent: Mapping[str, Message]) -> dict[str, Reply]:
        if not sent:
            return {}
        async with self._redis.pipeline(transaction=False) as pipeline:
            for model, message in sent.items():
                state = message.state
                pipeline.eval(
                    _EXCHANGE,
                    2,
                    *self._keys(model),
                    self._holder,
                    encode_report(message.report),
                    state.decision_id if state is not None else "",
                    encode_state(state, self._clock()) if state is not None else "",
                    message.base_id,
                    self._report_lifetime(model),
                )
            replies = await pipeline.execute()
        return {model: self._read(reply) for model, reply in zip(sent, replies, strict=True)}

    def _read(self, reply: Sequence[bytes]) -> Reply:
        _, state, age, *reports = (value.decode() for value in reply)
        others = {
            name: report
            for name, text in zip(reports[::2], reports[1::2], strict=True)
            if name != self._holder and (report := decode_report(text)) is not None
        }
        return Reply(state=decode_state(state, int(age) / 1000, self._clock()), others=others)

    def _report_lifetime(self, model: str) -> int:
        """Returns the lifetime of a report, in milliseconds."""
        period = _period_seconds(self._members[model].worker_count)
        return round(1000 * max(EXPIRY_SECONDS, 3 * period))

    def _keys(self, model: str) -> list[str]:
        key = f"{self._provider}/{model}"
        return [f"headrace:concurrency:{{{key}}}", f"headrace:concurrency-reports:{{{key}}}"]


def _period_seconds(worker_count: int) -> float:
    """Returns the time between two exchanges of a model, in seconds."""
    return min(max(1.0, worker_count / _MANY_WORKERS) * PERIOD_SECONDS, _MAX_PERIOD_SECONDS)
