"""Profiles of providers, as data: the meaning of their error responses, and the form of their requests."""

from services.worker.calls.provider.profiles.profile import Profile
from services.worker.calls.provider.profiles.profile_file import Profiles, read_profiles
from services.worker.calls.provider.profiles.request_shape import RequestShape
from services.worker.calls.provider.profiles.rules import Action, Rule

__all__ = ["Action", "Profile", "Profiles", "RequestShape", "Rule", "read_profiles"]
