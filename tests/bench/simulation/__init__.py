"""What becomes of a backlog and of urgent mail: arrivals, a provider's pace, a fleet of some size. Pure, and seeded.

    python -m tests.bench.simulation --pattern newsletter --emails 500000 --rate 500 --urgent 5 --picture out.svg

`model`     the rules
`patterns`  arrivals
`held`      the measured run that the model is held against (tests/unit/bench/test_simulation.py), made anew by
            `python -m tests.bench paced && python -m tests.bench.simulation --keep`
"""
