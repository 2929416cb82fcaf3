"""HSM partitions over PKCS#11: keys that never leave the token (HS1–HS9; PKCS11.md is the evidence).

``provider`` is what the core sees; ``partition`` is what one partition is asked, by a worker of this machine
(``worker``) or through an agent (``link``). Importing this package loads no PKCS#11 module.
"""

from reconciler_pkcs11.provider import Pkcs11

__all__ = ["Pkcs11"]
