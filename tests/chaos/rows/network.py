"""N: what the network does between us and what we stand on. Beyond the catalogue: one fleet behind a proxy."""

from urllib.parse import urlsplit

from tests.chaos.case import Case
from tests.chaos.proxy import Link
from tests.chaos.registry import row


@row("N01", budget=150, own=True)
def n01(case: Case) -> None:
    """Connections to the database, the broker, Redis and SES are slow, reset, cut, silent, half open, in turn."""
    servers = case.servers.variables
    links = {name: case.rig.proxy.link(urlsplit(url).port or 0) for name, url in servers.items()}
    ses = case.rig.proxy.link(urlsplit(case.ses.url).port or 0)
    services = {name: _through(url, links[name]) for name, url in servers.items()}
    with case.own_fleet(services=services, endpoint=f"http://127.0.0.1:{ses.port}"):
        case.disturbed()
        with case.steadily(rate=20, threads=4):
            for link in (*links.values(), ses):
                link.weather("pass", latency_ms=50)
                case.sleep(2)
                for mode in ("reset", "blackhole", "half_open"):
                    link.weather(mode)
                    case.sleep(1.5)
                    link.clear()
                    case.sleep(1)
            ses.weather("cut", after_bytes=100)
            case.sleep(3)
            ses.clear()
        case.tell(answers=dict(case.answers()))
        case.judge()


def _through(url: str, link: Link) -> str:
    """The URL of a server, by another way."""
    parts = urlsplit(url)
    return url.replace(f":{parts.port}", f":{link.port}", 1)
