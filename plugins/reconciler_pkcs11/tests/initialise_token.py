"""Makes one token, in a process of its own: a module is initialised once a process. PINs come by standard input.

Reads a JSON object: ``module``, ``label``, ``so_pin`` and ``pin``; with ``database`` the token is an NSS one, whose
database is there as soon as its module is initialised, and whose security officer has no PIN yet.
"""

from __future__ import annotations

import json
import os
import sys
import types
from typing import Final

_FOLDER: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def initialise(order: dict[str, str]) -> None:
    """CkError when the token will not."""
    from reconciler_pkcs11.cryptoki import constants
    from reconciler_pkcs11.cryptoki.module import Module

    module = Module.load(order["module"])
    pins = {who: order[who].encode() for who in ("so_pin", "pin")}
    if "database" in order:
        slot = next(each for each in module.slots() if module.token(each).label == order["label"])
        pins["so_pin"] = b""
    else:
        slot = next(each for each in module.slots() if not module.token(each).flags & constants.TokenFlag.INITIALIZED)
        module.call("C_InitToken", slot, pins["so_pin"], len(pins["so_pin"]), order["label"].encode().ljust(32))
    session = module.open(slot, read_write=True)
    session.login(pins["so_pin"], constants.SECURITY_OFFICER)
    session.initialise_pin(pins["pin"])
    session.logout()
    session.close()
    module.finalise()


if __name__ == "__main__":
    # The token layer alone: what the plugin's own package imports need not be installed to make a token.
    package = types.ModuleType("reconciler_pkcs11")
    package.__path__ = [_FOLDER]
    sys.modules["reconciler_pkcs11"] = package
    initialise(json.load(sys.stdin))
