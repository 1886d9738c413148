"""Mailers that others have written, on the same work in the same run: to the SMTP sink, and Mailgrid beside them.

Each is installed from its own package into an environment of its own under var/bench/peers/, on PostgreSQL where it
can, and used as its documentation says for speed: bulk enqueue where it has one, two processes (or one that is busy
with many sends at once), kept connections. What each gives for it differs; docs/performance.md says how.

`environment`     the virtual environments; who cannot be installed is named in the table with the reason
`django_peers`    django-post-office, django-mailer, django-celery-email
`genro`           genro-mail-proxy
`inside`          what runs in their environments
`turn`            the row
"""
