"""The commands of `gleaner`, one noun per module; `cli.py` puts them together."""
