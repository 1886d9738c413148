"""The timeline of one message: everything that happened and why."""
