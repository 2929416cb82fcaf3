"""Rows in: sources, their columns, and new segments made of them."""
