"""What the API takes and shows, one noun a module."""
