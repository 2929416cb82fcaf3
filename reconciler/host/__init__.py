"""The machine: the only code that touches the disk, the clock and the random generator (RELIABILITY 4).

Everybody else is handed these through the protocols of ``reconciler.model.ports``.
"""
