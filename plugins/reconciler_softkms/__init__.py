"""The software KMS: a key service of one account and Region, in one sealed file (DESIGN 5; README beside this file).

``provider`` is what the core sees; ``door`` is what every request passes; ``operations`` is what it does.
"""

from reconciler_softkms.provider import SoftKms

__all__ = ["SoftKms"]
