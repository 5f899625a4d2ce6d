"""Frozen backbones look once at every photo."""
