"""Counters and timings that /metrics shows. One process, one registry."""

from prometheus_client import Counter, Histogram

accepted = Counter("mailgrid_accepted_recipients", "Recipients accepted", ["source"])
outcomes = Counter("mailgrid_delivery_outcomes", "Outcomes of attempts", ["transport", "outcome"])
in_doubt = Counter("mailgrid_in_doubt", "Doubts and how they ended", ["transport", "outcome"])
duplicate_sends = Counter("mailgrid_duplicate_sends", "Deliveries the provider took twice")
late_proof = Counter("mailgrid_late_proof", "Proofs of sending that arrived in a terminal state")
bells_rung = Counter("mailgrid_bells_rung", "Bells published", ["queue"])
bells_lost = Counter("mailgrid_bells_lost", "Bells that could not be published", ["queue"])
notifications = Counter("mailgrid_notifications", "Provider notifications by result", ["result"])
orphan_facts = Counter("mailgrid_orphan_facts", "Provider events without a delivery of ours")
batch_seconds = Histogram("mailgrid_deliver_batch_seconds", "Claim to settle of one batch")
