"""Key: a customer-managed key of a key service (KM1)."""
