"""An HSM in this process, behind ``Partition``: real AES-GCM, and everything that a token does wrong on demand."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reconciler.envelope.data_key import DataKey
from reconciler.errors import HsmError, HsmFault, HsmUnavailable, InvalidCiphertextException
from reconciler.providers.hsm import Suite
from reconciler_pkcs11 import blob as form
from reconciler_pkcs11.partition import Examination, Leak, TokenKey
from reconciler_pkcs11.reaching import Way


@dataclass
class Object:
    label: str
    key: bytes
    relabelled: bool = False
    weakened: tuple[str, ...] = ()


@dataclass
class MemoryToken:
    """One token. ``logins`` are the PINs that it was sent; ``before`` is called with each request's name, first."""

    label: str
    pin: str
    serial: str = "0001"
    suites: tuple[Suite, ...] = (Suite.GCM, Suite.CBC_HMAC)
    leaks: tuple[Leak, ...] = ()
    objects: list[tuple[str, Object]] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    is_away: bool = False
    before: Callable[[str], None] = lambda name: None

    def of(self, key_id: str) -> list[Object]:
        return [each for found, each in self.objects if found == key_id]

    def labels(self) -> list[str]:
        return sorted(each.label for _, each in self.objects)

    def reinitialise(self) -> None:
        """Made anew, with its label, serial and PIN: nothing else is left."""
        self.objects.clear()


@dataclass
class MemoryHsm:
    """Tokens by label; ``opens`` is the way to them."""

    tokens: dict[str, MemoryToken] = field(default_factory=dict)
    opened: list[MemoryPartition] = field(default_factory=list)

    def opens(self, way: Way, pin: Callable[[], bytearray]) -> MemoryPartition:
        found = self.tokens.get(way.token_label or "")
        if found is None:
            raise unavailable(HsmFault.ABSENT_OR_AMBIGUOUS, f"no token labelled {way.token_label}")
        if found.is_away:
            raise unavailable(HsmFault.UNREACHABLE)
        found.before("open")
        given = pin()
        found.logins.append(given.decode())
        given[:] = bytes(len(given))
        if found.logins[-1] != found.pin:
            raise HsmError("CKR_PIN_INCORRECT", fault=HsmFault.PIN_REFUSED, suggestion="Give the right one.")
        self.opened.append(MemoryPartition(found))
        return self.opened[-1]

    def still_open(self) -> int:
        return sum(not each.is_closed for each in self.opened)


def unavailable(fault: HsmFault, why: str = "nobody answers") -> HsmUnavailable:
    return HsmUnavailable(f"The HSM cannot be asked: {why}", fault=fault, suggestion="Try again.")


class MemoryPartition:
    """A logged-in session of a token."""

    def __init__(self, token: MemoryToken) -> None:
        self.token = token
        self.is_closed = False

    def examine(self) -> Examination:
        self._begin("examine")
        token = self.token
        return Examination(
            label=token.label,
            serial=token.serial,
            model="memory",
            manufacturer="tests",
            slot=0,
            suites=token.suites,
            leaks=token.leaks,
        )

    def list_keys(self) -> list[TokenKey]:
        self._begin("list_keys")
        return [
            TokenKey(key_id=key_id, label=each.label, weakened=each.weakened) for key_id, each in self.token.objects
        ]

    def find_keys(self, key_id: str) -> list[TokenKey]:
        self._begin("find_keys")
        found = self.token.of(key_id)
        return [TokenKey(key_id=key_id, label=each.label, weakened=each.weakened) for each in found]

    def generate(self, key_id: str, label: str, suite: Suite, *, relabelled: bool = False) -> None:
        self._begin("generate")
        assert suite in self.token.suites
        if self.token.of(key_id):
            raise HsmError(f"the id {key_id} is taken", fault=HsmFault.KEY_DUPLICATE)
        self.token.objects.append((key_id, Object(label, os.urandom(32), relabelled)))
        self.token.before("generated")

    def wrap(self, key_id: str, suite: Suite, key: DataKey, aad: bytes) -> bytes:
        self._begin("wrap")
        start, nonce = form.header(suite.value, key_id), os.urandom(12)
        return start + nonce + self._cipher(key_id).encrypt(nonce, bytes(key.expose_key_bytes()), start + aad)

    def unwrap(self, blob: bytes, aad: bytes) -> DataKey:
        self._begin("unwrap")
        try:
            parts = form.read(blob)
            cipher = self._cipher(parts.key_id)
            return DataKey(cipher.decrypt(parts.body[:12], parts.body[12:], parts.header + aad))
        except (InvalidTag, ValueError):
            raise InvalidCiphertextException("the ciphertext does not open") from None

    def relabel(self, key_id: str, label: str) -> None:
        self._begin("relabel")
        (found,) = self.token.of(key_id)
        assert found.relabelled, "its label is fixed"
        found.label = label

    def destroy(self, key_id: str, label: str) -> None:
        self._begin("destroy")
        kept = [each for each in self.token.objects if (each[0], each[1].label) != (key_id, label)]
        self.token.objects[:] = kept

    def close(self) -> None:
        self.is_closed = True

    def _begin(self, name: str) -> None:
        assert not self.is_closed
        self.token.asked.append(name)
        self.token.before(name)
        if self.token.is_away:
            raise unavailable(HsmFault.UNREACHABLE)

    def _cipher(self, key_id: str) -> AESGCM:
        found = self.token.of(key_id)
        if len(found) != 1:
            fault = HsmFault.KEY_DUPLICATE if found else HsmFault.KEY_MISSING
            raise HsmError(f"{len(found)} keys of id {key_id}", fault=fault, suggestion="Look at the token.")
        return AESGCM(found[0].key)
