"""A stand-in for a server that speaks the OpenAI API, with keyword rules instead of a language model.

For the demonstration, the local stack and tests, not for real work.
"""

from services.stand_in.faults import Fault
from services.stand_in.server import StandIn

__all__ = ["Fault", "StandIn"]
