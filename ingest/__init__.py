"""Importers, one per export format, and the way of what they find into the database."""
