"""What a gateway reads from the environment."""

from pydantic import Field

from services.shared.setting_types import BrokerUrl, HostPort, PricesFile, Target
from services.shared.settings import ServiceSettings


class GatewaySettings(ServiceSettings):
    """Settings of a gateway.

    Attributes:
        listen: HEADRACE_LISTEN: where the public API listens; port 0 takes a free one.
        results_target: HEADRACE_RESULTS_TARGET: where the results service is found.
        rabbitmq_url: HEADRACE_RABBITMQ_URL: ``amqp://…``, or ``memory://`` within one process. Required.
        model: HEADRACE_MODEL: the workers' model of jobs that name none; only for what a job would cost.
        prices_file: HEADRACE_PRICES_FILE: prices of models, as JSON; unset: those that come with Headrace.
        gateway_resync_seconds: HEADRACE_GATEWAY_RESYNC_SECONDS: a watched job that nothing was heard of for
            this long is read again from the store, in seconds; 0: never.
    """

    listen: HostPort = "127.0.0.1:50051"
    results_target: Target = "127.0.0.1:50052"
    rabbitmq_url: BrokerUrl = Field(repr=False)
    model: str = "gpt-4o-mini"
    prices_file: PricesFile | None = None
    gateway_resync_seconds: float = Field(default=1.0, ge=0, le=3600)
