"""Parquet files that others wrote, read in a process apart: a file that crashes or bloats its reader costs one message.

``child`` is that process, started by path, in isolated mode: it has no file, no key and no name of ours, only a channel
over which it asks for bytes of the file, and for keys to be unwrapped. ``process`` is our end of it.
"""
