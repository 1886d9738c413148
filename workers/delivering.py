"""Deliver with what this process holds open; the one way for tasks and watch."""

from emails.delivery.services import deliver
from emails.delivery.settle import Summary
from mailgrid.core.bells import Priority
from mailgrid.core.vocabulary import Status
from workers.process import holdings


def deliver_alone(priority: Priority) -> Summary:
    """Send due mail of one priority, unless another thread of this process is at it already."""
    held = holdings()
    done = held.alone(
        priority, lambda: deliver(priority=priority, transports=held.transports, pool=held.pool)
    )
    held.handed_over += done[Status.SENT]
    return done
