"""What an HsmClientCertificate manifest says (HS4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

from reconciler.resources.field_types import Duration, text
from reconciler.resources.spec import Spec

CommonName = Annotated[str, text(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}", "1 to 64 letters, digits, spaces and . _ -")]


class HsmClientCertificateSpec(Spec):
    """The provider makes the key pair and keeps its private half; the certificate is registered at the HSM (HS9).
    ``validity`` counts from when it is made."""

    name_pattern: ClassVar[str] = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
    name_form: ClassVar[str] = "1 to 63 small letters, digits and inner hyphens, a letter first"

    common_name: CommonName
    validity: Annotated[timedelta, Duration("1d", "3650d", whole_days=True)] = timedelta(days=365)
