"""HsmPartition: a partition of a hardware security module, where cluster keys are made and stay (HS2, HS5)."""
