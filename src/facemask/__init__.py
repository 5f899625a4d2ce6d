"""Rebuilds and extends a face-mask competition solution as a reproducible pipeline."""
