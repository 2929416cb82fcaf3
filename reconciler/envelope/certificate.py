"""What a certificate says of itself."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509


def validity(pem: bytes) -> tuple[datetime, datetime] | None:
    """From when until when the first certificate of a PEM file is valid, in UTC; None when it holds none."""
    try:
        found = x509.load_pem_x509_certificate(pem)
    except ValueError:
        return None
    return found.not_valid_before_utc, found.not_valid_after_utc
