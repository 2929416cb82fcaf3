"""What is done to a cluster: made, resized, renamed, rotated, switched, encrypted, re-encrypted (RE2, RE9, RO1–RO3).
How a change goes on beside statements stands in ``online``."""
