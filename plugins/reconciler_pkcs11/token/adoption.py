"""The tests of a token before it is trusted, by throw-away session keys: which suites work, does it keep keys in.

What a token lists is not believed, nor are the attributes that it shows: each is tried (PKCS11.md 1).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from reconciler_pkcs11.cryptoki import codes
from reconciler_pkcs11.cryptoki.codes import CkError
from reconciler_pkcs11.cryptoki.constants import Attribute, KeyType, MechanismFlag
from reconciler_pkcs11.cryptoki.constants import Mechanism as Ckm
from reconciler_pkcs11.cryptoki.mechanisms import Prepared, cbc_pad
from reconciler_pkcs11.cryptoki.session import Session
from reconciler_pkcs11.token import cbc_hmac, key_objects
from reconciler_pkcs11.token.findings import Finding, NotAuthentic
from reconciler_pkcs11.token.key_objects import Use
from reconciler_pkcs11.token.opened import Opened
from reconciler_pkcs11.token.suites import MAY_SAY_DAMAGED, SAY_DAMAGED, SUITES, Suite, round_trip

# The token is not there or cannot be asked now: this says nothing of what it can, and must not read as a refusal.
_NOT_ASKED: Final = {
    codes.DEVICE_ERROR,
    codes.DEVICE_MEMORY,
    codes.DEVICE_REMOVED,
    codes.HOST_MEMORY,
    codes.SESSION_CLOSED,
    codes.SESSION_COUNT,
    codes.SESSION_HANDLE_INVALID,
    codes.TOKEN_NOT_PRESENT,
    codes.TOKEN_NOT_RECOGNIZED,
    codes.USER_NOT_LOGGED_IN,
    codes.CRYPTOKI_NOT_INITIALIZED,
}
_BOUND: Final = b"reconciler self-test"
_WRAPS: Final[dict[int, Callable[[], Prepared]]] = {
    Ckm.AES_KEY_WRAP: lambda: Prepared(Ckm.AES_KEY_WRAP),
    Ckm.AES_KEY_WRAP_PAD: lambda: Prepared(Ckm.AES_KEY_WRAP_PAD),
    Ckm.AES_KEY_WRAP_KWP: lambda: Prepared(Ckm.AES_KEY_WRAP_KWP),
    Ckm.AES_CBC_PAD: lambda: cbc_pad(bytes(16)),
}


def passing_suites(opened: Opened) -> list[str]:
    """The suites that the token offers, and that pass a round trip and refuse another context and a changed byte."""
    return [suite.name for suite in SUITES if suite.is_offered(opened) and _is_sound(opened, suite)]


def _is_sound(opened: Opened, suite: Suite) -> bool:
    try:
        with opened.session() as session:
            if not round_trip(suite, _throw_away(opened, session, suite)):
                return False
        return _refuses(opened, suite, is_other_context=True) and _refuses(opened, suite, is_other_context=False)
    except CkError as error:
        return _says_no(error)
    except (Finding, NotAuthentic):
        return False


def _says_no(error: CkError) -> bool:
    """False: that is what its answer means. CkError when it means that nobody was asked."""
    if error.rv in _NOT_ASKED:
        raise error
    return False


def _refuses(opened: Opened, suite: Suite, *, is_other_context: bool) -> bool:
    """In a session of its own, which a refusal may end."""
    with opened.session() as session:
        use = _throw_away(opened, session, suite)
        body = suite.wrap(use, session.random(key_objects.KEY_BYTES), _BOUND)
        changed = body if is_other_context else body[:-1] + bytes((body[-1] ^ 1,))
        try:
            suite.unwrap(use, changed, b"other" if is_other_context else _BOUND)
        except NotAuthentic:
            return True
        except CkError as error:
            return error.rv in SAY_DAMAGED | MAY_SAY_DAMAGED or _says_no(error)
    return False


def _throw_away(opened: Opened, session: Session, suite: Suite) -> Use:
    key = key_objects.session_key(session, suite.uses)
    if suite.name != cbc_hmac.name:
        return Use(opened, session, key)
    return Use(opened, session, key, key_objects.session_key(session, key_objects.SIGNING, KeyType.GENERIC_SECRET))


def leaks(opened: Opened) -> list[str]:
    """How the token gives out a key that was made sensitive and non-extractable: names of ``Leak``. CkError when it
    cannot be tried."""
    ways = {"READ": _reads, "WRAPPED": _wraps, "COPIED": _copies, "CHANGED": _changes}
    return [name for name, leaking in ways.items() if leaking(opened)]


def _reads(opened: Opened) -> bool:
    with opened.session() as session:
        key = key_objects.session_key(session, key_objects.ENCRYPTING)
        read = session.read(key, Attribute.VALUE)
        return _says_no(read) if isinstance(read, CkError) else True


def _wraps(opened: Opened) -> bool:
    return any(
        opened.flags(number) & MechanismFlag.WRAP and _succeeds(opened, _wrapping_by(make))
        for number, make in _WRAPS.items()
    )


def _wrapping_by(make: Callable[[], Prepared]) -> Callable[[Session, int], object]:
    def wrap(session: Session, key: int) -> object:
        return session.wrap(make(), key_objects.session_key(session, key_objects.WRAPPING), key)

    return wrap


def _copies(opened: Opened) -> bool:
    template = {Attribute.TOKEN: False, Attribute.EXTRACTABLE: True}
    return _succeeds(opened, lambda session, key: session.copy(key, template))


def _changes(opened: Opened) -> bool:
    return any(
        _succeeds(opened, _setting(attribute, value))
        for attribute, value in ((Attribute.EXTRACTABLE, True), (Attribute.SENSITIVE, False))
    )


def _setting(attribute: int, value: bool) -> Callable[[Session, int], object]:
    return lambda session, key: session.set(key, {attribute: value})


def _succeeds(opened: Opened, attempt: Callable[[Session, int], object]) -> bool:
    with opened.session(read_write=True) as session:
        key = key_objects.session_key(session, key_objects.ENCRYPTING)
        try:
            attempt(session, key)
        except CkError as error:
            return _says_no(error)
        return True
