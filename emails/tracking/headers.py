"""The header fields by which a mail program offers to unsubscribe (RFC 2369 3.2, RFC 8058). Pure."""

from ipaddress import ip_address
from urllib.parse import urlsplit

ONE_CLICK = "List-Unsubscribe=One-Click"


def unsubscribe_headers(url: str) -> tuple[tuple[str, str], ...]:
    """The fields for one recipient's unsubscribe URL, that stands for `{{unsubscribe_url}}` in the mail, too.

    One click needs https (RFC 8058 3.1): an installation that is reached over plain http offers the page alone, unless
    it is somebody's own machine, where all of it can be tried.
    """
    fields = [("List-Unsubscribe", f"<{url}>")]
    if url.startswith("https://") or _is_this_machine(urlsplit(url).hostname or ""):
        fields.append(("List-Unsubscribe-Post", ONE_CLICK))
    return tuple(fields)


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
