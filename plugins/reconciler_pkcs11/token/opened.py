"""A token that is found and logged in to: one session kept for the login, a fresh one for every operation.

Any error ends the session on which it happened: some tokens leave an operation wedged in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from reconciler_pkcs11.cryptoki import codes, constants
from reconciler_pkcs11.cryptoki.codes import CkError, ModuleUnusable
from reconciler_pkcs11.cryptoki.module import Module, Token
from reconciler_pkcs11.cryptoki.session import Session
from reconciler_pkcs11.token.findings import Finding

_NO_TOKEN = (codes.TOKEN_NOT_PRESENT, codes.TOKEN_NOT_RECOGNIZED)
_LAST_TRY = (
    (constants.TokenFlag.USER_PIN_LOCKED, "the token says that its PIN is locked (CKF_USER_PIN_LOCKED)"),
    (
        constants.TokenFlag.USER_PIN_FINAL_TRY,
        "the token says that one try is left (CKF_USER_PIN_FINAL_TRY), and that one belongs to a person",
    ),
)


class Opened:
    """The token in ``slot``. ``token`` is what it said of itself when it was opened."""

    def __init__(self, module: Module, slot: int, token: Token, kept: Session) -> None:
        self.module = module
        self.slot = slot
        self.token = token
        self.padded_wrap: int | None = None  # the mechanism that was found to be RFC 5649 (kwp)
        self._kept = kept

    def log_in(self, pin: bytearray) -> None:
        """By one try, for every session of this process. The PIN is wiped. CkError."""
        try:
            self._kept.login(pin)
        finally:
            pin[:] = bytes(len(pin))

    @contextmanager
    def session(self, *, read_write: bool = False) -> Iterator[Session]:
        """A fresh session, logged in as the kept one is."""
        session = self.module.open(self.slot, read_write=read_write)
        try:
            yield session
        finally:
            session.close()

    def close(self) -> None:
        """Log out and give the module back. CkError."""
        self._kept.logout()
        self.module.finalise()

    def flags(self, mechanism: int) -> int:
        """What the token says that it does with a mechanism (CKF)."""
        return self.module.mechanism_flags(self.slot, mechanism)

    def must_be_there(self) -> None:
        """CkError when the token has gone: an empty find does not tell that."""
        self.module.token(self.slot)


def open_token(path: str, label: str | None, slot: int | None) -> Opened:
    """Load the module and find the one token of that label (or in that slot), as yet without a login. Finding
    (pin-refused for a token whose PIN is locked, or has one try left) or CkError."""
    try:
        module = Module.load(path)
    except ModuleUnusable as error:
        raise Finding("module-unusable", str(error)) from None
    found, token = _find(module, label, slot)
    for flag, why in _LAST_TRY:
        if token.flags & flag:  # look before the leap: no C_Login at all
            raise Finding("pin-refused", why)
    return Opened(module, found, token, module.open(found, read_write=True))


def _find(module: Module, label: str | None, slot: int | None) -> tuple[int, Token]:
    matching = []
    for each in module.slots():
        try:
            token = module.token(each)
        except CkError as error:
            if error.rv in _NO_TOKEN:
                continue
            raise
        if (slot is None or slot == each) and (label is None or label == token.label):
            matching.append((each, token))
    if len(matching) != 1:
        what = f"labelled {label}" if label is not None else f"in slot {slot}"
        raise Finding(
            "partition-absent-or-ambiguous", f"{len(matching) or 'no'} token{'s' * (len(matching) > 1)} {what}"
        )
    return matching[0]
