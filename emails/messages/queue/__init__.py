"""All SQL that writes Delivery and Attempt rows (docs/delivery.md tells the way through it).

`intake`     store accepted messages
`claiming`   lanes with work; a fair batch; to `sending`, with its attempts journalled
`settling`   apply moves: deliveries, attempts, recipients, the messages' projection
`passes`     what the sweep looks for, in bounded chunks
"""
