"""The least that a Django view can do for an email: look the key up, insert one row, answer.

No middleware, no forms, no serializer, no limits: how fast Django, granian and PostgreSQL are here without Mailgrid.

`models` `views`                the whole of it
`settings` `wsgi` `bootstrap`  run
`fleet`                         started and stopped by the benchmark
"""
