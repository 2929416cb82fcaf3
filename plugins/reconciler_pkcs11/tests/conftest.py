"""Fixtures of every test of the HSM plugin."""

from __future__ import annotations

from reconciler_pkcs11.tests.tokens import made_tokens, tokens

__all__ = ["made_tokens", "tokens"]
