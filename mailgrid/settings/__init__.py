"""Settings by subject (`apps`, `celery`, `mail`, `security`, `storage`, `logging`), joined in `base`.

`embedded` is one process with SQLite and nothing else; `test` is what the test suite runs on. Every value that an
installation may change comes from `mailgrid.env`.
"""
