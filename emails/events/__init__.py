"""Facts about recipients, and providers' notifications as received: stored and recorded, nothing more."""
