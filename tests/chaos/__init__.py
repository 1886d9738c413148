"""The fault suite: real processes on servers of their own, broken on purpose, judged by what the provider took.

    python -m tests.chaos                 every row of tier 1 (`make chaos`)
    python -m tests.chaos --quick         the rows that run for every change (< 3 min)
    python -m tests.chaos --only R01,S03 --seed 7
    python -m tests.chaos --soak --n 100000

A row is a function of `rows/` that reads like the catalogue: given, when, then. What every row must hold whatever it
breaks is not repeated there: the oracle judges it.

`servers`      PostgreSQL, RabbitMQ and Redis of the run's own, to be killed and started again
`proxy`        what a network does to connections
`fleet`        Mailgrid's processes, watched over by the `supervisor`, ended by the `killer`
`load`         mails over REST, with keys and retries; remembers every accepting answer
`oracle`       lost, duplicates, bound, phantom, cross, unknown, honest
`rig`          all of that together, and `Case`: one row's run
`runner`       runs rows one after another, prints a line for each and one table
`soak`         one long run with a fault every second
`mutations`    the product broken on purpose: a row must fail
"""
