"""Encryption changed on a live cluster (RE2, RE9, RE10): which key new rows are written under, who moves which segment,
how fast, how far it is. What a change does, in which order, stands in ``migration`` and ``reencrypt``."""
