"""HSM partitions over PKCS#11: keys that never leave the token (HS1–HS9; PKCS11.md is the evidence)."""
