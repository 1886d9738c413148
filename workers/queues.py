"""The queue table: every queue a bell may ring, in the order in which one worker serves several of them."""

from kombu import Exchange, Queue

from mailgrid.core import bells

EXCHANGE = Exchange("bells", type="direct")

QUEUES = tuple(Queue(name, EXCHANGE, routing_key=name) for name in bells.QUEUES)
