"""What a Provider manifest may set under ``config`` for this plugin."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class SoftKmsConfig(BaseModel):
    """``administrators`` are principals (ARNs) that hold an identity policy which allows everything, as an account's
    administrators do. It counts only where a key policy delegates to the account, and for requests on the account
    itself (create, list). Default: the Provider's principal."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    administrators: list[str] | None = None
