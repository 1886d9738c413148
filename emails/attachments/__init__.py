"""Attachments that are still somewhere else: named at acceptance, fetched by a worker, put into their message."""
