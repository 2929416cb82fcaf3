"""Keys under keys and data under keys: composed from ``cryptography``, never invented (DESIGN 2).

The only core folder that imports cryptography. What goes in or out as key material is a ``DataKey``.
"""
