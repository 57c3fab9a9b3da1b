"""Requests to a provider: their bodies, and the form that the profile and the options of a job give them."""

from services.worker.calls.provider.requests.refused_schema import refuses_schema, with_remedy
from services.worker.calls.provider.requests.request_body import FixedPart, RequestEncoder
from services.worker.calls.provider.requests.request_form import RequestForms

__all__ = ["FixedPart", "RequestEncoder", "RequestForms", "refuses_schema", "with_remedy"]
