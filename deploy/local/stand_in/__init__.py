"""A stand-in for a server that speaks the OpenAI API: no language model, but keyword rules.

For the demonstration, the local stack and tests; never for real work.
"""

from deploy.local.stand_in.faults import Fault
from deploy.local.stand_in.server import StandIn

__all__ = ["Fault", "StandIn"]
