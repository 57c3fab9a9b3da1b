"""Plays cases through the real adapter and the attempts of an item, without any waits."""

import socket
from dataclasses import dataclass, field

from headrace.kinds import builtin_kinds
from services.shared.prices import Price, Prices
from services.stand_in import StandIn
from services.stubs.results.v1 import results_pb2
from services.worker.calls.admission import CallAdmission
from services.worker.calls.cooldowns import MemoryCooldowns
from services.worker.calls.provider import OpenAiProvider
from services.worker.calls.provider.profiles import Profiles, read_profiles
from services.worker.items.attempts.item_outcome import ItemOutcome
from services.worker.items.attempts.item_runner import ItemRunner
from tests.providers.case import Case

KEY = "sk-the-key-of-the-case"
PROMPT = "Title: General Counsel, Berlin"
_CALL_SECONDS = 30.0
_SHORT_CALL_SECONDS = 0.25  # of calls that time out


@dataclass
class Play:
    """The attempts of one case's items.

    Attributes:
        case: The case.
        repeats: Whether each call meets the case.
        model: Model of the calls, which selects the case at the stand-in.
        runner: Makes the attempts.
        admission: Admits the calls.
        items: Items by index, with what their attempts left.
    """

    case: Case
    repeats: bool
    model: str
    runner: ItemRunner
    admission: CallAdmission
    items: dict[int, results_pb2.LeasedItem] = field(default_factory=dict)

    async def attempt(self, index: int = 0) -> ItemOutcome:
        """Makes the next attempt of an item."""
        item = self.items.setdefault(
            index, results_pb2.LeasedItem(item_index=index, input=f'{{"title": "{PROMPT}"}}')
        )
        spec = results_pb2.JobSpec(
            job_id="job", kind="llm.complete", params=f'{{"prompt": "{{title}}", "model": "{self.model}"}}'
        )
        times_out = self.case.value == "PROVIDER_TIMEOUT" and (self.repeats or not item.attempt_count)
        seconds = _SHORT_CALL_SECONDS if times_out else _CALL_SECONDS
        spec.options.call_timeout.FromMicroseconds(int(seconds * 1e6))
        outcome = await self.runner.run(spec, item)
        item.attempt_count = outcome.attempt_count
        item.usage.CopyFrom(outcome.usage)
        del item.failed_attempts[:]
        item.failed_attempts.extend(outcome.failed_attempts)
        return outcome


class Theatre:
    """The stand-in and the adapters of all cases. An adapter costs more to open than a case to play."""

    def __init__(self) -> None:
        self._stand_in = StandIn()
        self._free = socket.socket()
        self._free.bind(("127.0.0.1", 0))
        self._adapters: dict[tuple[str, str], OpenAiProvider] = {}

    async def open(self) -> None:
        await self._stand_in.start()

    async def close(self) -> None:
        for adapter in self._adapters.values():
            await adapter.close()
        await self._stand_in.stop()
        self._free.close()

    def begin(self, case: Case, *, repeats: bool) -> Play:
        """Returns the play of a case.

        Args:
            case: The case.
            repeats: Whether each call meets the case. Otherwise only the first does.
        """
        model = f"{case.name} {'repeated' if repeats else 'once'}"
        self._stand_in.behaviour.scripts[model] = [case.fault] if repeats else [case.fault, None]
        admission = CallAdmission(self._adapter(case), MemoryCooldowns(), 100)
        prices = Prices({model: Price(1_000_000, 1_000_000, 1_000_000)})
        runner = ItemRunner(builtin_kinds(), admission, "m", lambda: 0.0, prices=prices)
        return Play(case=case, repeats=repeats, model=model, runner=runner, admission=admission)

    def _adapter(self, case: Case) -> OpenAiProvider:
        name = (case.profile, self._base_url(case))
        if name not in self._adapters:
            profiles = Profiles({"default": read_profiles().by_name[case.profile]})
            self._adapters[name] = OpenAiProvider(api_key=KEY, base_url=name[1], profiles=profiles)
        return self._adapters[name]

    def _base_url(self, case: Case) -> str:
        match case.connection:
            case "refused":
                return f"http://127.0.0.1:{self._free.getsockname()[1]}/v1"
            case "no_tls":
                return self._stand_in.base_url.replace("http:", "https:")
            case "no_path":
                return f"{self._stand_in.url}/v7"
            case "no_version":
                return self._stand_in.url
        return self._stand_in.base_url
