"""The tables of the workers: what the fleet tells about itself."""

from workers.fleet.models import DeadBells, QueueState, WorkerProcess

__all__ = ["DeadBells", "QueueState", "WorkerProcess"]
