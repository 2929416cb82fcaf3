"""Disable a key of the embedded key service without telling reconciler, as somebody else's script would.

Usage: disable_key.py HOME DESCRIPTION    for the one key of that description in eu-west-1
"""

from __future__ import annotations

import sys
from pathlib import Path

from reconciler.access.caller import Caller
from reconciler.host.clock import SystemClock, SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler.providers.plugin import ProviderServices
from reconciler.testing.no_other import NoOther
from reconciler_softkms import SoftKms

ACCOUNT, REGION = "111122223333", "eu-west-1"
PLATFORM = f"arn:aws:iam::{ACCOUNT}:role/platform"


def main(home: str, description: str) -> None:
    """Open the key service at ``home`` and disable the key."""
    services = ProviderServices(
        name="somebody-else",
        account=ACCOUNT,
        region=REGION,
        principal=PLATFORM,
        home=Path(home).resolve(),
        fs=OsFs(),
        clock=SystemClock(),
        random=SystemRandom(),
    )
    keys = SoftKms(SoftKms.config_model(), services, NoOther())
    try:
        caller = Caller(principal=PLATFORM, account=ACCOUNT)
        (key,) = [key for key in keys.list_keys(caller) if key.description == description]
        keys.disable_key(caller, key.key_id)
        print(f"disabled {key.arn}")
    finally:
        keys.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
