"""What the fleet tells about itself, in rows: the console, /readyz and doctor read them, and never ask the network.

`models`      a row for each worker process, each queue of the broker, and each kind of dead bell
`presence`    a process says every five seconds that it is there
`observing`   how deep the broker's queues are and who listens to them; dead bells counted
`state`       groups, queues and what is wrong, for people
`signs`       when a process was last heard of, for health checks
`admin`       the console's page
"""
