"""Wire formats as pure functions: bytes and values in, bytes and values out; no I/O, no Flask."""
