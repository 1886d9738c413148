"""Benchmarks. `make bench` prints tables; timings are never asserted in tests, machines are noisy.

What is measured and how to read it: docs/performance.md. From the outside in:

`__main__` `running`    the command; turns, round after round
`rows`                  every row with its contestants
`stage`                 services, provider, load, and the contestants, started when needed
`kept` `results`        every sample on disk, a file for each row; medians over the rounds
`table` `targets` `document` `drawing`      tables for the terminal and for docs/, what is aimed at, pictures

The work: `accept` `deliver` `latency` `busy` `events` `growth` (with `growth_fill`, `growth_probe`) `paced` `raw`
(with `bare_client`) `embedded` (with `client`), and `peers.turn`

Who does it: `mailgrid_fleet`, `conventional`, `bare`, `peers`; `django_fleet` starts those that are Django projects,
and `mailer` says what the work needs of each

What measures: `load` and `steady` (closed and open load), `mails` (what is sent), `provider` (to whom), `processes`
(CPU time, memory), `figures` (percentiles, columns of text)

What follows: `scaling` (what a fleet needs), `simulation` (backlog and urgent mail), both from costs that were measured
"""
