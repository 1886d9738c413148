"""/healthz: the process is alive. /readyz: what it stands on is there. /metrics: numbers for Prometheus."""

from datetime import timedelta
from ipaddress import ip_address, ip_network

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import Http404, HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from mailgrid.core.clock import now
from mailgrid.core.models import Pulse
from mailgrid.http.answers import answer

SILENT_AFTER = timedelta(seconds=30)  # a sweep runs every second


def healthz(_request: HttpRequest) -> HttpResponse:
    """Answers as long as the process can."""
    return answer({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """200 when mail can be accepted, else 503; what is wrong is told inside only."""
    problems = _problems()
    body: dict[str, object] = {"status": "unavailable" if "database" in problems else "ok"}
    if is_inside(request):
        body["problems"] = problems
    return answer(body, status=503 if "database" in problems else 200)


def metrics(request: HttpRequest) -> HttpResponse:
    """The counters of this process, in a fleet those of this machine; for the networks in METRICS_NETWORKS."""
    if not is_inside(request):
        raise Http404
    return HttpResponse(generate_latest(_registry()), content_type=CONTENT_TYPE_LATEST)


def _registry() -> CollectorRegistry:
    if not settings.METRICS_DIR:
        return REGISTRY
    shared = CollectorRegistry()
    MultiProcessCollector(shared, path=str(settings.METRICS_DIR))  # type: ignore[no-untyped-call]
    return shared


def is_inside(request: HttpRequest) -> bool:
    """Whether the request comes from a network that may look inside."""
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(address in ip_network(network) for network in settings.METRICS_NETWORKS)


def _problems() -> dict[str, str]:
    try:
        pulse = Pulse.objects.filter(name="sweep").first()
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return {"database": "migrations are missing: run manage.py migrate"}
    except DatabaseError as error:
        return {"database": str(error)}
    if pulse is None or now() - pulse.at > SILENT_AFTER:
        return {"schedule": "no sweep has run for 30 seconds: is beat running?"}
    return {}
