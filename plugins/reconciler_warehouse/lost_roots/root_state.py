"""What became of a root key, as the key service tells it (RE8)."""

from __future__ import annotations

from typing import Final

from reconciler.errors import (
    AccessDeniedException,
    DisabledException,
    KMSInvalidStateException,
    NotFoundException,
    ServiceError,
)
from reconciler.providers.data import RootKind
from reconciler.providers.keys import KeyState
from reconciler.providers.warehouse import RootKeyState
from reconciler_warehouse.keyring import Cek
from reconciler_warehouse.site import Site

LOST: Final = (DisabledException, KMSInvalidStateException, NotFoundException, AccessDeniedException)
"""What a key service answers when a root is lost; also when something else is, so each is looked into."""
ERRORS: Final[dict[RootKeyState, type[ServiceError]]] = {
    RootKeyState.DISABLED: DisabledException,
    RootKeyState.PENDING_DELETION: KMSInvalidStateException,
    RootKeyState.DESTROYED: NotFoundException,
    RootKeyState.ACCESS_REMOVED: AccessDeniedException,
}
WHAT: Final = {
    RootKeyState.DISABLED: "is disabled",
    RootKeyState.PENDING_DELETION: "is pending deletion",
    RootKeyState.DESTROYED: "is gone",
    RootKeyState.ACCESS_REMOVED: "may not be used any more",
}
CURE: Final = {
    RootKeyState.DISABLED: "enable it",
    RootKeyState.PENDING_DELETION: "cancel its deletion and enable it",
    RootKeyState.DESTROYED: "put the key store back from a backup",
    RootKeyState.ACCESS_REMOVED: "restore the grant or the key policy",
}


def is_in_key_service(cek: Cek) -> bool:
    """Whether its root is a key of the key service. An HSM that is away is told as an event instead (HS7)."""
    return cek.root_kind in {RootKind.KMS, RootKind.OWNED}


def root_state(site: Site, cek: Cek) -> RootKeyState:
    """What the key service says when it is asked to open that CEK. Whatever is no loss of the root is raised."""
    if not is_in_key_service(cek):
        return RootKeyState.USABLE
    try:
        site.keys.decrypt(site.service_caller, cek.wrapped, cek.context, key_id=cek.root_arn).plaintext.wipe()
    except DisabledException:
        return RootKeyState.DISABLED
    except NotFoundException:
        return RootKeyState.DESTROYED
    except AccessDeniedException:
        return RootKeyState.ACCESS_REMOVED
    except KMSInvalidStateException:
        return _state_told(site, cek.root_arn)
    return RootKeyState.USABLE


def _state_told(site: Site, key_arn: str) -> RootKeyState:
    try:
        found = site.keys.describe_keys(site.service_caller, [key_arn]).get(key_arn)
    except AccessDeniedException:
        return RootKeyState.ACCESS_REMOVED
    if found is None:
        return RootKeyState.DESTROYED
    pending = found.state in {KeyState.PENDING_DELETION, KeyState.PENDING_REPLICA_DELETION}
    return RootKeyState.PENDING_DELETION if pending else RootKeyState.DISABLED
