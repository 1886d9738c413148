"""Benchmarks. `make bench` prints one table; timings are never asserted in tests, machines are noisy.

`figures`    percentiles and the table
`client`     a lean HTTP client and its crowd
`embedded`   one process on SQLite: a lone email, and 24 clients at once
"""
