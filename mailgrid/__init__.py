"""Mailgrid: accept mail once, send it once, and be able to say what happened to it.

The repository in the order in which mail flows:

`mailgrid/http`   what every endpoint shares: reading, refusing, answering
`tenants/`        who may send, and as whom
`emails/`         a message and its life, from submission to the last event
`workers/`        how work moves, and how we reach the outside world
`mailgrid/core`   the shared kernel below all of them; it knows nobody
`mailgrid/`       how it is configured and composed
"""
