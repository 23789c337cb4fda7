"""Models behind one door: providers, one call for one batch, its errors, and the model that is rules."""
