"""One predict() for validation, out-of-fold and test."""
