"""The RSA leg of a copy to another Region (SC4): a pair that lives for one copy, and one key that travels under it."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from reconciler.envelope.canonical import encode
from reconciler.envelope.data_key import DataKey
from reconciler.errors import InvalidCiphertextException

KEY_BITS: Final = 3072


class TransportPair:
    """A random RSA-3072 pair. The private half never leaves this object; ``drop`` forgets it (as far as Python can)."""

    def __init__(self) -> None:
        self._private: rsa.RSAPrivateKey | None = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)

    def public_key(self) -> bytes:
        """The public half, DER SubjectPublicKeyInfo."""
        return self._held().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def open(self, wrapped: bytes, label: bytes) -> DataKey:
        """The transfer key. InvalidCiphertextException for another pair, label or byte."""
        try:
            return DataKey(self._held().decrypt(wrapped, _padding(label)))
        except ValueError:
            raise InvalidCiphertextException("the transfer key does not open") from None

    def drop(self) -> None:
        """Forget the private half."""
        self._private = None

    def _held(self) -> rsa.RSAPrivateKey:
        if self._private is None:
            raise InvalidCiphertextException("the transport key of this copy was dropped")
        return self._private

    def __repr__(self) -> str:
        return "TransportPair(…)"


def wrap(public_key: bytes, transfer: DataKey, label: bytes) -> bytes:
    """The transfer key for the holder of the private half, by RSA-OAEP with SHA-256, bound to ``label``."""
    public = load_der_public_key(public_key)
    if not isinstance(public, rsa.RSAPublicKey) or public.key_size < KEY_BITS:
        raise InvalidCiphertextException("the destination's transport key is not RSA of 3072 bits or more")
    return public.encrypt(bytes(transfer.expose_key_bytes()), _padding(label))


def label(snapshot: str, source: str, destination: str) -> bytes:
    """What the leg is bound to: one snapshot, from one Region to one other."""
    return encode("reconciler/transport/v1", snapshot, source, destination)


def dek_aad(snapshot: str, dek: str, source: str, destination: str) -> bytes:
    """What a DEK is bound to on its way."""
    return encode("reconciler/transport-dek/v1", snapshot, dek, source, destination)


def _padding(bound_to: bytes) -> padding.OAEP:
    return padding.OAEP(mgf=padding.MGF1(algorithm=SHA256()), algorithm=SHA256(), label=bound_to)
