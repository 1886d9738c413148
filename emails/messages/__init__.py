"""Messages, deliveries, recipients and attempts: the rows that are the queue, and all SQL that moves them."""
