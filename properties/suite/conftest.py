"""How the suite draws: the same every time in a test run, at random where the user asks for it."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "deterministic",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    suppress_health_check=list(HealthCheck),
)
settings.register_profile(
    "long",
    deadline=None,
    max_examples=5_000,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile(os.environ.get("QUIESCE_HYPOTHESIS_PROFILE", "deterministic"))
