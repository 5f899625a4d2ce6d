"""The embedded default data: drawn people in the three sources' real layouts. No real photo is shipped."""
