"""What a tenant may write into its settings."""

import pytest
from pydantic import ValidationError

from tenants.tenancy.settings import TenantSettings


@pytest.mark.parametrize(
    "host", ["links.acme.example", "go.acme.co.uk", "xn--mnchen-3ya.example", "a.b", None]
)
def test_a_tracking_host_is_a_name(host: str | None) -> None:
    assert TenantSettings(tracking_host=host).tracking_host == host


@pytest.mark.parametrize(
    "host",
    [
        *(
            "",
            "acme",
            "https://links.acme.example",
            "links.acme.example:8443",
            "links.acme.example/",
            "Links.acme.example",
        ),
        *(
            "links.acme.example.",
            "-a.example",
            "a-.example",
            "a..example",
            "münchen.example",
            "a.example\n",
            "a b.example",
        ),
        *("evil.example@acme.example", "_x.acme.example", "a." * 126 + "aa"),
    ],
)
def test_whatever_else_would_make_broken_links_is_refused(host: str) -> None:
    with pytest.raises(ValidationError):
        TenantSettings(tracking_host=host)
