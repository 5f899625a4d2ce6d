"""One module a data source: its own layout -> listed rows of the photo table, and its licence."""
