"""Counters and timings that /metrics shows. One process, one registry."""

import os
import socket

from prometheus_client import Counter, Gauge, Histogram, values

if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # a fleet: machines that share the folder have equal pids
    _HOST = socket.gethostname()
    values.ValueClass = values.MultiProcessValue(lambda: f"{_HOST}-{os.getpid()}")  # type: ignore[no-untyped-call]

accepted = Counter("mailgrid_accepted_recipients", "Recipients accepted", ["source"])
outcomes = Counter("mailgrid_delivery_outcomes", "Outcomes of attempts", ["transport", "outcome"])
in_doubt = Counter("mailgrid_in_doubt", "Doubts and how they ended", ["transport", "outcome"])
duplicate_sends = Counter("mailgrid_duplicate_sends", "Deliveries the provider took twice")
breakers = Counter("mailgrid_breakers", "Breakers that opened", ["cause"])
late_proof = Counter("mailgrid_late_proof", "Proofs of sending that arrived in a terminal state")
bells_rung = Counter("mailgrid_bells_rung", "Bells published", ["queue"])
bells_dead = Counter("mailgrid_bells_dead", "Bells found in the dead queue", ["queue", "reason"])
bells_lost = Counter("mailgrid_bells_lost", "Bells that could not be published", ["queue"])
notifications = Counter("mailgrid_notifications", "Provider notifications by result", ["result"])
orphan_facts = Counter("mailgrid_orphan_facts", "Provider events without a delivery of ours")
hits = Counter("mailgrid_hits", "Opens and clicks recorded", ["kind", "by"])
hits_dropped = Counter("mailgrid_hits_dropped", "Opens and clicks that could not be kept", ["reason"])
batch_seconds = Histogram("mailgrid_deliver_batch_seconds", "Claim to settle of one batch")
redis_errors = Counter("mailgrid_redis_errors", "Questions to Redis that failed")
redis_away = Gauge(
    "mailgrid_redis_away", "1 while this process does without Redis", multiprocess_mode="mostrecent"
)
