"""Frozen data and the protocols that the core needs of its surroundings. No I/O here, and no import but ``errors``."""
