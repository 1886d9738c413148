"""Files: uploaded once, attached by their id, kept as long as the tenant says."""
