"""A mailer as most teams write one, for comparison: DRF serializers, ORM rows, one Celery task for each email, boto3.

It is no straw man: same server, same number of worker children, same services, persistent database connections, one
boto3 client for each process, `bulk_create` for lists, JSON answers without the browsable API, acknowledgement after
the work. And it does less than Mailgrid: one row for each email where Mailgrid keeps content, recipients, events and a
journal of attempts; no suppressions, idempotency, limits, priorities or leases; a lost broker loses its mail.

`models` `serializers` `views` `urls`   accept
`tasks` `celery`                        deliver
`settings` `wsgi` `bootstrap`           run
`fleet`                                 started and stopped by the benchmark
"""
