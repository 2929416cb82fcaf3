"""Terraform for encryption at rest: plan and apply which key protects what.

The package is a stack of layers; each may import only the ones below it (README, "Map"; checked by
``tests/test_architecture.py``).
"""

__version__ = "0.1.0"
