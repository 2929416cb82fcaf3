"""Settings of hypothesis for every test: no deadline, since a busy machine is no defect; more examples on demand."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("default", deadline=None)
settings.register_profile("campaign", deadline=None, max_examples=2_000)
settings.load_profile("default")
