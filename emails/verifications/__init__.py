"""One-time codes and magic links: made, sent and checked by Mailgrid."""
