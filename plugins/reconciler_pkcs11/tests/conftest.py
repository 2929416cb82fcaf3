"""Fixtures of every test of the HSM plugin. A token waits for its disk at each key that it makes: here for none."""

from __future__ import annotations

from reconciler.testing.quick_folder import tmp_path
from reconciler_pkcs11.tests.tokens import made_tokens, tokens

__all__ = ["made_tokens", "tmp_path", "tokens"]
