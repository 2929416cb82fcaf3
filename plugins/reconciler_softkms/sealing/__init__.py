"""What the key store's own key is wrapped under: a seal file, a passphrase, or a key of another key service (DESIGN 5).

All key material is sealed under the store key, and that is wrapped once, by the seal: so another seal, or the same one
made anew, is one row in one transaction. Nothing here knows what the store holds.
"""
