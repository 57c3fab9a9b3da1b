"""The profile of one provider."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from services.worker.calls.provider.error_body import ErrorBody
from services.worker.calls.provider.profiles.request_shape import RequestShape
from services.worker.calls.provider.profiles.rules import Action, Rule

# For statuses beyond 599, which count as 5xx: https://www.rfc-editor.org/rfc/rfc9110#section-15
_LAST_RULE = Rule(action=Action.RETRY)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The meaning of a provider's error responses, and the form of its requests.

    Attributes:
        name: Name of the profile.
        hosts: Patterns of the hosts that it applies to, in lower case, with ``*`` for any characters. A
            pattern with a port applies to that port only.
        rules: Rules of the profile, then those of the default profile. The first match counts.
        shape: Form of the requests.
        model_shapes: Form of the requests for models, by a pattern of their names. The first match counts.
        headers: Further headers of each request.
        null_is_complete: Whether an answer with text is complete although its finish_reason is null.
    """

    name: str
    hosts: Sequence[str] = ()
    rules: Sequence[Rule] = ()
    shape: RequestShape = field(default_factory=RequestShape)
    model_shapes: Mapping[str, RequestShape] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    null_is_complete: bool = False

    def serves(self, host: str) -> bool:
        """Returns whether the profile applies to a host.

        Args:
            host: ``host`` or ``host:port``.
        """
        names = {host.lower(), host.lower().rpartition(":")[0] or host.lower()}
        return any(fnmatchcase(name, pattern) for pattern in self.hosts for name in names)

    def judge(self, status: int, body: ErrorBody) -> Rule:
        """Returns the first rule that an error response matches. Without a match, a retry."""
        return next((rule for rule in self.rules if rule.matches(status, body)), _LAST_RULE)

    def shape_of(self, model: str) -> RequestShape:
        """Returns the form of the requests for a model."""
        matches = (shape for pattern, shape in self.model_shapes.items() if fnmatchcase(model, pattern))
        return next(matches, self.shape)
