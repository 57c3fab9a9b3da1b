"""One case of tests/providers/cases.yaml: what a provider sends, and what its item becomes."""

import base64
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from services.stand_in import Fault

FILE = Path(__file__).with_name("cases.yaml")
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
# Keys of a case: what is sent, and what is expected.
_SENT = {"status", "headers", "json", "answer", "text", "encoding", "base64", "raw", "fault", "usage"}
_OUTCOMES = ("answer", "retry", "overload", "outage", "fails", "job_refused")
_EXPECTED = {*_OUTCOMES, "wait", "tokens", "detail", "message", "finish_reason", "cost", "models"}
# Texts too large for the file.
_LARGE = {"DEEP": "[" * 100_000, "LONG": "x" * 6_000}
_LASTING = {"refused", "no_tls", "no_path", "no_version"}
_KEYS = {"name", "profile", "send", "expect"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A case.

    Attributes:
        name: Name, unique in the file.
        profile: Name of the provider's profile.
        connection: Fault of the connection that no HTTP server can play, such as ``refused``. Empty if none.
        fault: Response of the stand-in.
        outcome: One of answer, retry, overload, outage, fails, job_refused.
        value: Text of the answer, or reason of the error.
        expect: Further expectations.
    """

    name: str
    profile: str
    connection: str
    fault: Fault
    outcome: str
    value: str
    expect: Mapping[str, Any]

    @property
    def lasts(self) -> bool:
        """Whether the next call cannot succeed, or is made by the attempt itself."""
        return self.connection in _LASTING or "location" in self.fault.headers


def read_cases(path: Path = FILE) -> list[Case]:
    """Returns the cases of a file.

    Raises:
        ValueError: A case is not valid. The message names it.
    """
    cases = [case for entry in yaml.safe_load(path.read_text()) for case in _expand(entry)]
    names = [case.name for case in cases]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"these names occur twice: {', '.join(sorted(twice))}")
    return cases


def _expand(entry: Mapping[str, Any]) -> Iterator[Case]:
    """Yields the case of an entry. An entry with a list of statuses is one case for each of them."""
    statuses = entry.get("send", {}).get("status")
    if not isinstance(statuses, list):
        yield _read(entry)
        return
    for status in statuses:
        sent = {**entry["send"], "status": status}
        yield _read({**entry, "name": f"{entry['name']} {status}", "send": sent})


def _read(entry: Mapping[str, Any]) -> Case:
    name, sent, expected = str(entry["name"]), entry["send"], entry["expect"]
    surplus = (entry.keys() - _KEYS) | (sent.keys() - _SENT) | (expected.keys() - _EXPECTED)
    outcomes = [outcome for outcome in _OUTCOMES if outcome in expected]
    if surplus or len(outcomes) != 1:
        raise ValueError(f"the case {name!r} has unknown keys {sorted(surplus)} or outcomes {outcomes}")
    connection = sent.get("fault", "")
    return Case(
        name=name,
        profile=entry.get("profile", "default"),
        connection=connection,
        fault=Fault(disconnect=True) if connection == "closes" else _fault_of(sent),
        outcome=outcomes[0],
        value=expected[outcomes[0]],
        expect=expected,
    )


def _fault_of(sent: Mapping[str, Any]) -> Fault:
    raw = sent.get("raw")
    if raw is not None:
        parts = raw["parts"] if isinstance(raw, dict) else raw
        more = {key: value for key, value in raw.items() if key != "parts"} if isinstance(raw, dict) else {}
        return Fault(raw=[part.replace("\n", "\r\n") for part in _listed(parts)], **more)
    if sent.get("fault") == "hangs":
        return Fault(hang=True)
    headers = {str(name): _LARGE.get(value, str(value)) for name, value in sent.get("headers", {}).items()}
    return Fault(status=sent.get("status", 200), headers=headers, body=_body_of(sent))


def _listed(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value


def _body_of(sent: Mapping[str, Any]) -> bytes:
    if "base64" in sent:
        return base64.b64decode(sent["base64"])
    if "json" in sent:
        text = json.dumps(sent["json"], ensure_ascii=False)
    elif "answer" in sent:
        text = json.dumps(_completion(sent), ensure_ascii=False)
    else:
        text = _LARGE.get(sent.get("text", ""), sent.get("text", ""))
    encoding = sent.get("encoding", "utf-8")
    return gzip.compress(text.encode()) if encoding == "gzip" else text.encode(encoding)


def _completion(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a chat completion: ``answer`` is its text, or fields of its choice, message and body."""
    answer = sent["answer"] if isinstance(sent["answer"], dict) else {"content": sent["answer"]}
    message = {"role": "assistant"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body: dict[str, Any] = {"object": "chat.completion", "choices": [choice], "usage": USAGE}
    for name, value in answer.items():
        if name in ("finish_reason", "native_finish_reason", "content_filter_results", "text", "delta"):
            choice[name] = value
        elif name in ("model", "error"):
            body[name] = value
        else:
            message[name] = value
    if choice["finish_reason"] == "absent":
        del choice["finish_reason"]
    if "usage" in sent:
        body["usage"] = sent["usage"]
        if sent["usage"] == "absent":
            del body["usage"]
    return body
