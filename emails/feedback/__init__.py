"""What providers tell us, and the consequences: statuses, suppressions."""
