"""What an HsmPartition manifest says (HS5): where the partition is, how its PIN is had, who may answer there."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from reconciler.resources.field_types import Boolean, HsmClientCertificateRef, Integer, refuse, text
from reconciler.resources.hsm_partition.server_certificate import one_certificate
from reconciler.resources.spec import ProjectFiles, Spec, Strict

_LONGEST_LABEL = 32  # of a token, in bytes (PKCS#11, CK_TOKEN_INFO)
Address = Annotated[
    str,
    text(
        r"([A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]):[1-9][0-9]{0,4}",
        "HOST:PORT of the agent that serves the partition, such as hsm.example.com:8711",
    ),
]
_BESIDE = ("..", "serverCertificateFile")


def _certificate(value: object) -> object:
    if isinstance(value, PydanticCustomError):
        raise value  # what is wrong with the file that it was to come from
    if not isinstance(value, str):
        raise refuse("must be a certificate as PEM")
    try:
        return one_certificate(value)
    except ValueError as error:
        raise refuse(f"cannot be used: {error}") from None


Certificate = Annotated[str, BeforeValidator(_certificate)]


class PinSource(Strict):
    """Where the PIN is, when a process first needs it: it stands in no manifest, argument or variable. ``command``
    begins with an absolute path and runs only if the operator's file lists it, word for word."""

    fd: Annotated[Integer, Field(ge=3, le=65535)] | None = None
    file: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    command: (
        Annotated[tuple[Annotated[str, Field(max_length=4096)], ...], Field(min_length=1, max_length=64)] | None
    ) = None

    @model_validator(mode="after")
    def _one_source(self) -> PinSource:
        if sum(each is not None for each in (self.fd, self.file, self.command)) != 1:
            raise refuse("must hold exactly one of fd, file and command", code="exactly-one")
        if self.file is not None and not self.file.startswith(("/", "~/")):
            raise refuse(
                "must be an absolute path, or one below ~/: a PIN does not belong into the project", field="file"
            )
        if self.command is not None and not self.command[0].startswith("/"):
            raise refuse("must begin with the absolute path of what is run", field="command")
        return self


class HsmPartitionSpec(Spec):
    """Exactly one of ``token_label`` and ``slot`` finds the partition the first time; afterwards its marker key tells
    that it is the same. With ``address`` it is reached through an agent, both sides of the connection pinned; without,
    by the provider's own module. A manifest writes the server's certificate as ``serverCertificate`` or names its file
    in ``serverCertificateFile``; which makes no difference. ``retired_keys``: what becomes of a cluster key in it that
    nothing stored is under any more: kept, or destroyed by the next apply."""

    name_pattern: ClassVar[str] = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
    name_form: ClassVar[str] = "1 to 63 small letters, digits and inner hyphens, a letter first"

    token_label: Annotated[str, Field(min_length=1)] | None = None
    slot: Annotated[Integer, Field(ge=0, le=2**63 - 1)] | None = None
    pin_from: PinSource
    address: Address | None = None
    server_certificate: Certificate | None = None
    client_certificate: HsmClientCertificateRef | None = None
    allow_unenforced: Boolean = False
    verify: Literal["full", "connection-only"] = "full"
    retired_keys: Literal["keep", "destroy"] = "keep"

    @model_validator(mode="before")
    @classmethod
    def _from_its_file(cls, data: Any, info: ValidationInfo) -> Any:
        if not isinstance(data, dict) or info.context is None or "serverCertificateFile" not in data:
            return data
        rest = {name: data[name] for name in data if name != "serverCertificateFile"}
        if "serverCertificate" in data:
            both = refuse("stands beside serverCertificate: write one of the two", field=_BESIDE, code="exactly-one")
            return {**rest, "serverCertificate": both}
        return {**rest, "serverCertificate": _read(data["serverCertificateFile"], info.context)}

    @model_validator(mode="after")
    def _fits_together(self) -> HsmPartitionSpec:
        if (self.token_label is None) == (self.slot is None):
            raise refuse("must hold exactly one of tokenLabel and slot", code="exactly-one")
        if self.token_label is not None and len(self.token_label.encode()) > _LONGEST_LABEL:
            raise refuse(f"must be at most {_LONGEST_LABEL} bytes, as labels of tokens are", field="tokenLabel")
        parts = {"serverCertificate": self.server_certificate, "clientCertificate": self.client_certificate}
        missing = [name for name, value in parts.items() if value is None]
        if self.address is not None and missing:
            raise refuse(
                "is missing: an agent is reached by certificates of both sides (HS1)",
                field=missing[0],
                suggestion="Name the HsmClientCertificate that is registered there."
                if missing == ["clientCertificate"]
                else "Write the certificate that the agent shows, or name its file in serverCertificateFile.",
                code="missing-field",
            )
        if self.address is None and len(missing) < len(parts):
            unused = next(name for name in parts if name not in missing)
            raise refuse(
                "belongs to a partition that is reached through an agent",
                field=unused,
                suggestion="Write address, too; or leave it out where the provider's own module reaches the HSM.",
            )
        return self


def _read(path: object, files: ProjectFiles) -> object:
    """The one certificate in a file of the project, or what is wrong with it: told at its own field."""
    if not isinstance(path, str):
        return refuse("must be a path within the project", field=_BESIDE)
    try:
        return one_certificate(files.text(path))
    except ValueError as error:
        return refuse(f"names {path}, which cannot be used: {error}", field=_BESIDE)
