"""Heads on features that a frozen backbone made: fitted in seconds, without torch."""
