"""`manage.py doctor`: is everything there that Mailgrid stands on, and does it do its work? In plain sentences.

`findings`   what a check answers
`services`   database, broker, Redis: reachable, and fit to keep a promise
`work`       beat, worker groups, queues, blobs
`accounts`   the transports: settings, credentials, connection
"""
