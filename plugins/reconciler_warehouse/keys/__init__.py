"""The four tiers of keys: where a root is, and how CEKs and DEKs are wrapped, opened and made (RE1, RE3–RE7)."""
