"""``migration.distributed`` of a warehouse's config: the scheduler that workers answer to, and who is one of us."""

from __future__ import annotations

import os
import re
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

_ADDRESS: Final = re.compile(r"tls://(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):([1-9][0-9]{0,4})")


class DistributedConfig(BaseModel):
    """``scheduler`` is ``tls://HOST:PORT``; ``certificates`` the folder that ``reconciler workers init`` made. There is
    no way without certificates: whoever may hand a worker its tasks runs what he likes in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scheduler: str
    certificates: str = Field(min_length=1)

    @field_validator("scheduler")
    @classmethod
    def _is_secured(cls, value: str) -> str:
        if not _ADDRESS.fullmatch(value):
            raise ValueError("tls://HOST:PORT; workers are reached over mutual TLS or not at all")
        return value

    @field_validator("certificates")
    @classmethod
    def _is_absolute(cls, value: str) -> str:
        if not os.path.isabs(os.path.expanduser(value)):
            raise ValueError("the folder must be an absolute path: a private key does not belong into the project")
        return value

    @property
    def host(self) -> str:
        """Where the scheduler listens."""
        return self._parts()[0].strip("[]")

    @property
    def port(self) -> int:
        """The same."""
        return int(self._parts()[1])

    def _parts(self) -> tuple[str, str]:
        found = _ADDRESS.fullmatch(self.scheduler)
        assert found is not None  # noqa: S101  # validated above
        return found[1], found[2]
