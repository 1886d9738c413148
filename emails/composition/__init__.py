"""What goes out: envelope, headers, attachments, size and MIME. Used by accept and by delivery."""
