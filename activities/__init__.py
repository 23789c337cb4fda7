"""Everything a run does to the world. Every activity may run twice."""
