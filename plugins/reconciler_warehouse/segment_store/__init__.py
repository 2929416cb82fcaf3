"""Where the bytes of segments lie: files of this machine, an object store, or the catalogue itself for small ones."""
