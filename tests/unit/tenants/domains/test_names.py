"""Domain names are compared as lower-case A-labels."""

import pytest

from tenants.domains.names import normalize


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("acme.example", "acme.example"),
        (" Mail.ACME.example. ", "mail.acme.example"),
        ("müller.example", "xn--mller-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("xn--mller-kva.example", "xn--mller-kva.example"),
        ("a-1.example", "a-1.example"),
        (".".join(["a" * 63] * 3) + "." + "b" * 61, ".".join(["a" * 63] * 3) + "." + "b" * 61),
    ],
)
def test_one_name_has_one_form(name: str, stored: str) -> None:
    assert normalize(name) == stored


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "example",
        "acme..example",
        ".acme.example",
        "acme_.example",
        "-acme.example",
        "acme-.example",
        "a" * 64 + ".example",
        ".".join(["a" * 63] * 3) + "." + "b" * 62,
        "192.0.2.1",
        "[192.0.2.1]",
        "2001:db8::1",
        "ann@acme.example",
        "acme.example/x",
        "acme .example",
        "acme\n.example",
        "☃\u200d.example",
        "\ud800.example",
    ],
)
def test_what_is_no_host_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a domain name"):
        normalize(name)
