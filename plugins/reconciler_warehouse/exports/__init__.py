"""Tables out to files: Parquet, and Parquet Modular Encryption."""
