"""What can be declared: one folder per kind, each with ``spec``, ``observe``, ``diff`` and ``steps``.

Kinds do not import each other: they refer by address. The folder listing is the registry (``registry.py``).
Adding a kind is adding a folder; README, "Adding a kind", walks through it.
"""
