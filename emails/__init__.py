"""A message and its life. The slices in the order in which mail flows, from the doors down to what they stand on:

`story`         everything that happened to one message, and why
`dead_letters`  work that used up its attempts or was quarantined: seen, redriven, given up
`submission`    the request side: accept, never send
`delivery`      the worker side: send, never accept
`composition`   what goes out: envelope, headers, size, MIME
`feedback`      what providers tell us, and the consequences
`suppressions`  addresses that must not get mail
`sandbox`       the transport that captures instead of sending, and its simulator
`events`        facts about recipients, and raw notifications
`messages`      Message, Delivery, Recipient, Attempt: the rows that are the queue
`streams`       lanes of mail with one purpose
`transports`    provider accounts
"""
