"""Tables (SQLModel) and API schemas, one noun per module."""
