"""Deterministic orchestration only: what happens in a run, in which order; everything it does is an activity."""
