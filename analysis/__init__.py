"""The domain: pure functions over plain values, without I/O."""
