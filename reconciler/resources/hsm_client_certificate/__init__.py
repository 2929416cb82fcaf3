"""HsmClientCertificate: our side of the trusted connection to an HSM (HS4)."""
