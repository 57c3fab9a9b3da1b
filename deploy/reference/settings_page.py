"""The settings of all services in one table, from the classes that read them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from deploy.reference.docstrings import parse_docstring
from services.embedded.settings import EmbeddedSettings
from services.gateway.settings import GatewaySettings
from services.results.settings import ResultsSettings
from services.shared.settings import ServiceSettings
from services.worker.settings import WorkerSettings

_NOTE = "<!-- Made from the settings of the services by `make reference`; change them in services/. -->"
_INTRODUCTION = (
    "A service reads its settings from the environment, once, when it starts. An empty variable counts as"
    " unset. A wrong value is named, with what was expected, and the service does not start. `python -m"
    " services.NAME --help` names the settings of one service. Embedded runs all three in one process."
)
_SERVICES: Mapping[str, type[ServiceSettings]] = {
    "gateway": GatewaySettings,
    "worker": WorkerSettings,
    "results": ResultsSettings,
    "embedded": EmbeddedSettings,
}
_OF_LIBRARIES = """\
## The provider

Worker and embedded read these as the openai library does.

| variable | meaning |
|---|---|
| `OPENAI_API_KEY` | Key of the provider. Without it, jobs with calls fail: `PROVIDER_NOT_CONFIGURED`. |
| `OPENAI_BASE_URL` | Base URL, such as `http://127.0.0.1:8000/v1`. Alone, it gets a placeholder as the key. |

The client and the command line read `HEADRACE_TARGET` (default `localhost:50051`)."""
_OWN_PREFIX = re.compile(r"^HEADRACE_\w+[:.] ")


@dataclass
class _Setting:
    """A setting.

    Attributes:
        meaning: Text of its first service.
        defaults: Default by service.
    """

    meaning: str
    defaults: dict[str, str] = field(default_factory=dict)


def settings_page() -> str:
    """Returns the page as Markdown."""
    return "\n\n".join(["# Settings", _NOTE, _INTRODUCTION, _table(), _OF_LIBRARIES]) + "\n"


def _table() -> str:
    rows = ["| variable | read by | default | meaning |", "|---|---|---|---|"]
    for name, setting in sorted(_settings().items()):
        readers = ", ".join(setting.defaults)
        meaning = setting.meaning.replace("|", "\\|")
        rows.append(f"| `HEADRACE_{name.upper()}` | {readers} | {_default(setting.defaults)} | {meaning} |")
    return "\n".join(rows)


def _settings() -> dict[str, _Setting]:
    settings: dict[str, _Setting] = {}
    for service, settings_class in _SERVICES.items():
        meanings = dict(_meanings(settings_class))
        for name, info in settings_class.model_fields.items():
            setting = settings.setdefault(name, _Setting(meanings[name]))
            setting.defaults[service] = _default_of(info)
    return settings


def _meanings(settings_class: type[ServiceSettings]) -> Iterator[tuple[str, str]]:
    for each in (ServiceSettings, settings_class):
        for name, text in parse_docstring(each.__doc__ or "").sections["Attributes"].items():
            own = _OWN_PREFIX.sub("", text)
            yield name, own[0].upper() + own[1:]


def _default_of(info: FieldInfo) -> str:
    if info.default is PydanticUndefined:
        return "required"
    if info.default is None or info.default == "":
        return "unset"
    value = info.default
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _default(defaults: Mapping[str, str]) -> str:
    if len(set(defaults.values())) == 1:
        return next(iter(defaults.values()))
    return ", ".join(f"{service}: {default}" for service, default in defaults.items())
