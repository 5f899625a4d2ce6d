"""Safe decoding, the packed store, and masks drawn on bare faces."""
