"""What data can be under, told from its ARN: a key of a key service, or a partition of an HSM (HS1)."""

from __future__ import annotations

from typing import Final

KEY: Final = ":key/"
PARTITION: Final = ":hsmconfiguration:"


def is_key(arn: str) -> bool:
    """Whether that is the ARN of a key."""
    return KEY in arn


def is_partition(arn: str) -> bool:
    """Whether that is the ARN of an HSM's partition."""
    return PARTITION in arn


def is_root(arn: str) -> bool:
    """Whether that is the ARN of either."""
    return is_key(arn) or is_partition(arn)
