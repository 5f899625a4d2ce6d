"""Finds wrong labels, lets people decide, and applies what they decided. Only the review page needs a web server."""
