"""IdentityPolicy: what an account lets one of its principals do, beside key policies (KS4)."""
