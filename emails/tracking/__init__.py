"""Opens, clicks and unsubscribing: what the links in a recipient's own copy lead to, and what comes of it."""
