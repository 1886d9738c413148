"""Who changed what: an append-only trail, chained by hashes."""
