"""Work that is exhausted or quarantined, kept for inspection: listed, redriven, given up."""
