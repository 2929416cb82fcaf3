"""Memory between runs: what exists because of us, what is being done to it, and who is doing it."""
