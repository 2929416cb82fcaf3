"""Cluster: an encrypted data warehouse (RE)."""
