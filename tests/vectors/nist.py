"""The vectors of the PyPI package ``cryptography-vectors`` (NIST, RFCs): what runs, and why the rest does not.

Files are named as in the package. A section is what stands under one ``[heading]``; a record is the lines between two
empty ones, a mapping of the names in front of ``=``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Final

Record = Mapping[str, str]

GCM: Final = "ciphers/AES/GCM/gcmDecrypt256.rsp"
GCM_ENCRYPT: Final = "ciphers/AES/GCM/gcmEncryptExtIV256.rsp"
HKDF: Final = "KDF/rfc-5869-HKDF-SHA256.txt"
ARGON2ID: Final = "KDF/argon2id.txt"
PKCS1_VERIFY: Final = "asymmetric/RSA/FIPS_186-2/SigVer15_186-3.rsp"
OAEP: Final = "asymmetric/RSA/oaep-custom/oaep-sha256-sha256.txt"
ECDSA_VERIFY: Final = "asymmetric/ECDSA/FIPS_186-3/SigVer.rsp"
ECDSA_SIGN: Final = "asymmetric/ECDSA/FIPS_186-3/SigGen.txt"
SECP256K1: Final = "asymmetric/ECDSA/SECP256K1/SigGen.txt"
ECDH: Final = "asymmetric/ECDH/KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_resp.fax"
ECDH_INIT: Final = "asymmetric/ECDH/KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_init.fax"
KWP_OPEN: Final = "keywrap/kwtestvectors/KWP_AD_256.txt"
KWP_INVALID: Final = "keywrap/kwtestvectors/KWP_AD_256_inv.txt"

RUN_BY: Final = {
    GCM: "test_envelope",
    GCM_ENCRYPT: "test_envelope",
    HKDF: "test_envelope",
    ARGON2ID: "test_envelope",
    PKCS1_VERIFY: "test_nist_signatures",
    ECDSA_VERIFY: "test_nist_signatures",
    ECDSA_SIGN: "test_nist_signatures",
    SECP256K1: "test_nist_signatures",
    ECDH: "test_shared_secrets",
    ECDH_INIT: "test_shared_secrets",
    KWP_OPEN: "test_wrapped_material",
    KWP_INVALID: "test_wrapped_material",
    OAEP: "test_oaep",
}

LEFT_OUT: Final = {
    "CMAC/": "MACs of the key service are HMACs",
    "HMAC/": "RFC 2202, 2286 and 4231 have keys that are not as long as the digest, as the material of an HMAC key is",
    "HPKE/": "nothing in the product speaks HPKE",
    "KDF/": "keys are derived with HKDF-SHA256, passphrases go through Argon2id",
    "asymmetric/DH/": "key agreement is on elliptic curves",
    "asymmetric/DSA/": "no key spec",
    "asymmetric/Ed25519/": "no key spec here",
    "asymmetric/Ed448/": "no key spec",
    "asymmetric/MLDSA/": "no key spec here",
    "asymmetric/MLKEM/": "no key spec here",
    "asymmetric/X25519/": "no key spec",
    "asymmetric/X448/": "no key spec",
    "asymmetric/EC/": "files to be read as keys, not vectors of an operation",
    "asymmetric/DER_Serialization/": "files to be read as keys, not vectors of an operation",
    "asymmetric/OpenSSH/": "files to be read as keys, not vectors of an operation",
    "asymmetric/PEM_Serialization/": "files to be read as keys, not vectors of an operation",
    "asymmetric/PKCS8/": "files to be read as keys, not vectors of an operation",
    "asymmetric/public/": "files to be read as keys, not vectors of an operation",
    "asymmetric/Traditional_OpenSSL_Serialization/": "files to be read as keys, not vectors of an operation",
    "asymmetric/ECDH/": "brainpool curves are no key spec; KDFConcat is made by the client from the shared secret",
    "asymmetric/ECDSA/FIPS_186-2/": "curves and digests of FIPS 186-3 stand for them; P-256 with SHA-1 is no algorithm",
    "asymmetric/ECDSA/FIPS_186-3/": "key generation and public key checks, not signatures; texts beside the vectors",
    "asymmetric/ECDSA/RFC6979/": "signatures are randomised; to be verified, SigVer and SigGen of FIPS 186-3 are run",
    "asymmetric/RSA/": "SHA-1 signatures and 1024-bit keys, which no key spec has",
    "asymmetric/RSA/FIPS_186-2/": "SHA-1 signatures, X9.31, key generation, signatures that SigVer15_186-3 stands for",
    "asymmetric/RSA/FIPS_186-2/SigGenPSS": "a salt of no bytes; the key service's is as long as the digest",
    "asymmetric/RSA/FIPS_186-2/SigVerPSS": "a salt of 10 bytes; the key service's is as long as the digest",
    "asymmetric/RSA/oaep-custom/": "a digest in MGF1 or OAEP that is no encryption algorithm of the key service",
    "asymmetric/RSA/pkcs-1v2-1d2-vec/": "SHA-1 signatures and 1024-bit keys",
    "chunked-encryption/": "a format of cryptography itself",
    "ciphers/": "the envelope is made of AES-256-GCM with 96-bit nonces only",
    "fernet/": "a format of cryptography itself",
    "hashes/": "a digest alone is no operation",
    "keywrap/": "a 256-bit key wraps with padding, and only unwrapping is the service's part",
    "pkcs12/": "no certificate store",
    "pkcs7/": "no messages of that form",
    "poly1305/": "no part of the product uses it",
    "twofactor/": "no one-time passwords",
    "x509/": "certificates are no part of the key service",
    "__": "Python, not vectors",
    "py.typed": "Python, not vectors",
}


@cache
def text(file: str) -> str:
    """A file of the package."""
    return (files("cryptography_vectors") / file).read_text()


def sections(file: str) -> Iterator[tuple[str, list[Record]]]:
    """Each heading with its records. Headings without records (settings of those that follow) have an empty list."""
    parts = re.split(r"(?m)^\[(.+)\]\s*$", text(file))
    yield "", _records(parts[0])
    for heading, body in zip(parts[1::2], parts[2::2], strict=True):
        yield heading, _records(body)


def _records(body: str) -> list[Record]:
    found: list[Record] = []
    for block in re.split(r"\n\s*\n", body.replace("\r", "")):
        lines = [line for line in block.splitlines() if ("=" in line or line == "FAIL") and not line.startswith("#")]
        pairs = [line.partition("=") for line in lines]
        if pairs:
            found.append({name.strip(): value.strip() for name, _, value in pairs})
    return found


def every_file() -> list[str]:
    """All files of the package."""
    found, waiting = [], [("", files("cryptography_vectors"))]
    while waiting:
        prefix, folder = waiting.pop()
        for each in folder.iterdir():
            if each.is_dir():
                waiting.append((f"{prefix}{each.name}/", each))
            else:
                found.append(prefix + each.name)
    return found


def why_not(file: str) -> str | None:
    """The reason of the longest fitting beginning; None for a file that something runs. KeyError when there is none."""
    if file in RUN_BY:
        return None
    fitting = [prefix for prefix in LEFT_OUT if file.startswith(prefix)]
    if not fitting:
        raise KeyError(file)
    return LEFT_OUT[max(fitting, key=len)]
