"""Proof by behaviour that everything is protected as declared (``ProvesWarehouse``)."""
