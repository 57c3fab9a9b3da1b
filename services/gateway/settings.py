"""Settings of a gateway."""

from pydantic import Field

from services.shared.setting_types import BrokerUrl, HostPort, PricesFile, Target
from services.shared.settings import ServiceSettings


class GatewaySettings(ServiceSettings):
    """Settings of a gateway, read from the environment.

    Attributes:
        listen: HEADRACE_LISTEN: address that its gRPC server listens on; port 0 takes a free port.
        results_target: HEADRACE_RESULTS_TARGET: address of the results service.
        rabbitmq_url: HEADRACE_RABBITMQ_URL: ``amqp://…``, or ``memory://`` within one process.
        model: HEADRACE_MODEL: model of jobs that name none. A gateway uses it for estimates of cost.
        prices_file: HEADRACE_PRICES_FILE: prices of models, as JSON. The prices that come with Headrace if
            unset.
        gateway_resync_seconds: HEADRACE_GATEWAY_RESYNC_SECONDS: time without a snapshot after which a
            watched job is read again from the store, in seconds, up to 3,600; 0: never.
        noop_max_seconds: HEADRACE_NOOP_MAX_SECONDS: longest sleep of an item of ``noop``, in seconds, more
            than 0 and up to 3,600. A sleeping item holds a slot of its worker.
    """

    listen: HostPort = "127.0.0.1:50051"
    results_target: Target = "127.0.0.1:50052"
    rabbitmq_url: BrokerUrl = Field(repr=False)
    model: str = "gpt-4o-mini"
    prices_file: PricesFile | None = None
    gateway_resync_seconds: float = Field(default=1.0, ge=0, le=3600)
    noop_max_seconds: float = Field(default=60.0, gt=0, le=3600)
