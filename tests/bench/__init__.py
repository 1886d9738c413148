"""Benchmarks. `make bench` prints tables; timings are never asserted in tests, machines are noisy.

`python -m tests.bench embedded`: one process on SQLite
    `embedded`      a lone email, and 24 clients at once
    `client`        a lean HTTP client and its crowd

`python -m tests.bench fleet`: processes on PostgreSQL (with fsync), RabbitMQ and Redis of their own, and beside them,
in turn, a mailer as most teams write one
    `fleet`         everything started, the rows in their order, everything stopped
    `measured`      targets, medians, ratios
    `accept` `deliver` `latency` `raw`   the rows
    `mailer`        what is measured, as the rows see it; what a measurement is
    `mailgrid_fleet` `conventional`      the two mailers
    `mails` `load` `stand_in`            what is sent, by whom, to whom
    `processes`     CPU time and memory

`figures`    percentiles and tables, for both
"""
