"""``segments`` of a warehouse's config: the object store that its segments lie on."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from reconciler.providers.secret_source import SecretSource

_URL: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9_=-][A-Za-z0-9._=-]*)*)/?")


class ObjectStoreConfig(BaseModel):
    """``url`` is ``s3://BUCKET[/PREFIX]``; ``endpoint`` that of another service than AWS; ``rootCertificate`` a PEM
    file of whoever vouches for it. ``credentialsFrom`` answers what AWS calls the output of a credential process: they
    stand in no manifest, plan, state or log."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    url: str
    endpoint: str | None = None
    region: str | None = Field(default=None, pattern=r"^[a-z0-9-]{1,63}$")
    credentials_from: SecretSource = Field(alias="credentialsFrom")
    root_certificate: str | None = Field(default=None, alias="rootCertificate")

    @field_validator("url")
    @classmethod
    def _is_a_bucket(cls, value: str) -> str:
        if not _URL.fullmatch(value):
            raise ValueError("s3://BUCKET or s3://BUCKET/PREFIX, with letters, digits and . _ = - between slashes")
        return value

    @field_validator("endpoint")
    @classmethod
    def _is_safe(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username or parts.query:
            raise ValueError("https://HOST[:PORT]")
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise ValueError("http is for this machine (127.0.0.1) only: over a network it must be https")
        return value.rstrip("/")

    @field_validator("root_certificate")
    @classmethod
    def _is_absolute(cls, value: str | None) -> str | None:
        if value is not None and not os.path.isabs(os.path.expanduser(value)):
            raise ValueError("the file must be an absolute path")
        return value

    @property
    def place(self) -> str:
        """The URL in the one form that names it, whatever the service is reached by."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def bucket(self) -> str:
        """Of the URL."""
        return self._parts()[0]

    @property
    def prefix(self) -> str:
        """Of the URL, without a slash at either end; may be empty."""
        return self._parts()[1].strip("/")

    def _parts(self) -> tuple[str, str]:
        found = _URL.fullmatch(self.url)
        assert found is not None  # noqa: S101  # validated above
        return found[1], found[2]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
