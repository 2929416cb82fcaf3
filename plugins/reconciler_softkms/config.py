"""What a Provider manifest may set under ``config`` for this plugin."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from reconciler.providers.secret_source import SecretSource

LEAST_MEMORY_MIB = 8
MOST_MEMORY_MIB = 4096
MEMORY_MIB = 256


class SealConfig(BaseModel):
    """What the key store is sealed by: a passphrase, or ``key`` (PROVIDER/KEY, whose Provider wraps keys for others).

    ``memoryMib`` is what one try of a passphrase costs, from the next sealing on; an operator on a small machine may
    lower it."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    passphrase_from: SecretSource | None = Field(default=None, alias="passphraseFrom")
    key: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9-]{0,62}/.{1,2048}$")
    memory_mib: int = Field(default=MEMORY_MIB, alias="memoryMib", ge=LEAST_MEMORY_MIB, le=MOST_MEMORY_MIB)

    @model_validator(mode="after")
    def _is_one(self) -> SealConfig:
        if (self.passphrase_from is None) == (self.key is None):
            raise ValueError("exactly one of passphraseFrom and key says what seals it; neither is a seal file")
        return self


class SoftKmsConfig(BaseModel):
    """``administrators`` are principals (ARNs) that hold an identity policy which allows everything, as an account's
    administrators do. It counts only where a key policy delegates to the account, and for requests on the account
    itself (create, list). Default: the Provider's principal. ``seal`` None: a file beside the store."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    administrators: list[str] | None = None
    seal: SealConfig | None = None
