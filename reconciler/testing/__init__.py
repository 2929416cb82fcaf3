"""Shipped for authors of plugins: a contract suite per protocol, fakes, and the failing and recording ``Fs``.

May import anything of the core; nothing of the core imports it. Needs pytest.
"""
