"""A change of encryption done by workers of Dask distributed: muscle only, the catalogue's leases stay the truth."""
