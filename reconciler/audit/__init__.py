"""One record per request to a key service, and the public event that it reads as. Pure; never a key (AU1–AU3)."""
