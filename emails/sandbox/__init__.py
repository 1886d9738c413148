"""The transport that captures instead of sending, and the simulator behind its addresses."""
