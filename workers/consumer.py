"""Celery's consumer with a quiet event connection: Flower sees the fleet, and a hung broker is still noticed.

Celery publishes an event every two seconds from the loop that also watches the broker's heartbeat. With publisher
confirms that publish waits for a stopped broker, and so does the loop that should notice the silence: in trials not
within 120 s. Without confirms on this one connection it is noticed after 20 s.
"""

from typing import Any

from celery.worker.consumer import Consumer


class QuietConsumer(Consumer):
    """The setting `worker_consumer`."""

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc, valid-type]
        """Without native delayed delivery: it declares 28 queues for times that we keep in rows."""

        default_steps = [
            step
            for step in Consumer.Blueprint.default_steps
            if step != "celery.worker.consumer.delayed_delivery:DelayedDelivery"
        ]

    def connection_for_write(self, url: str | None = None, heartbeat: float | None = None) -> Any:
        """The connection of worker events; tasks are published through `workers.bells`, with confirms."""
        connection = self.app.connection_for_write(
            url=url, heartbeat=heartbeat, transport_options={"confirm_publish": False}
        )
        return self.ensure_connected(connection)
