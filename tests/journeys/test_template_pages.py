"""An operator looks at what tenants say, and nothing in it can act; the built-in templates look as they are meant."""

import html
import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse

from mailgrid.core.framing import INSIDE, POLICY
from templates.installing import builtins
from templates.models import Template
from tenants.members.services import create_operator
from tenants.models import User
from tests.chromium import Chromium, chromium
from tests.screenshots import filled

EVIL = """<!doctype html><html><head>
<meta http-equiv="refresh" content="0;url=http://evil.test/refresh">
<base href="http://evil.test/">
<style>@import url(http://evil.test/import.css);
p { background: url(http://evil.test/css.png); width: expression(alert('css')) }</style>
<link rel="stylesheet" href="http://evil.test/link.css">
<script>top.mark = 'script'; alert('script')</script>
</head><body onload="top.mark='onload'">
<p style="width: expression(alert('style')); background: url(javascript:alert('url'))">Hello</p>
<a class="bait" href="javascript:top.mark='javascript'" target="_top">one</a>
<a class="bait" href="http://evil.test/link" target="_top">two</a>
<svg onload="top.mark='svg'"><script>top.mark='svg script'</script><a class="bait" href="http://evil.test/svg">s</a></svg>
<form action="http://evil.test/form" target="_top"><button class="bait">three</button></form>
<iframe src="http://evil.test/frame"></iframe>
<img src="http://evil.test/pixel.png" onerror="top.mark='onerror'">
<object data="http://evil.test/object"></object>
</body></html>"""
BAIT = (".bait", "a", "button")


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    """One for all tests here."""
    with chromium() as running:
        yield running


@pytest.fixture
def console(db: None) -> Client:
    """An operator's browser."""
    client = Client()
    client.force_login(create_operator(username="olga", password="correct horse battery"))
    return client


@pytest.fixture
def evil(api, acme) -> Template:
    """A tenant's template that tries everything."""
    answer = api(acme).post("/api/templates", {"name": "evil", "subject": "<script>x</script>", "html": EVIL})
    assert answer.status_code == 201, answer.content
    return Template.across_tenants.get(pk=answer.json()["id"])


def page(template: Template, **query: str) -> str:
    address = reverse("admin:templates_template_change", args=[template.pk])
    return f"{address}?{'&'.join(f'{name}={value}' for name, value in query.items())}"


def frames(text: str) -> list[str]:
    """What stands in the frames, as a browser reads it."""
    return [html.unescape(found) for found in re.findall(r'srcdoc="([^"]*)"', text)]


@pytest.mark.parametrize("one", builtins(), ids=lambda one: one.name)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_builtin_fits_its_window_in_light_and_dark(one, dark, browser):
    for data in one.test_data.values():
        seen = browser.look(filled(one, data), width=390, dark=dark)
        assert (seen.overflow, seen.too_wide) == (0, [])
        assert all(address.startswith("https://fernweh.example/") for address in seen.requests)


def test_a_page_that_is_too_wide_would_be_seen(browser):
    seen = browser.look("<div style='width:500px'>x</div>", width=390)
    assert seen.overflow > 100
    assert len(seen.too_wide) == 1


def test_long_words_do_not_push_a_builtin_apart(browser):
    for one in builtins():
        data = {name: _longer(value) for name, value in next(iter(one.test_data.values())).items()}
        assert browser.look(filled(one, data), width=390).overflow == 0, one.name


def _longer(value):
    if isinstance(value, str) and not re.match(r"\d{4}-|https?:|#", value):
        return f"{value} {'W' * 60}"
    return value


def test_the_page_shows_a_template_in_two_widths_with_its_test_data(console, acme):
    template = Template.across_tenants.get(tenant=acme.tenant, name="receipt")
    answer = console.get(page(template), {"data": "two items"})
    text = answer.content.decode()
    assert answer.status_code == 200
    assert answer["Content-Security-Policy"] == POLICY
    narrow, wide = frames(text)
    assert narrow == wide
    assert narrow.startswith(INSIDE)
    assert "€257.80" in narrow
    assert text.count('sandbox=""') == 2
    assert "width:390px" in text
    assert "width:800px" in text
    assert "Your Fernweh receipt 2026-00417" in text
    other = console.get(page(template, version="1", data="in yen")).content.decode()
    assert "￥50,000" in frames(other)[0] or "¥50,000" in frames(other)[0]


def test_the_page_tells_what_is_missing_wrong_and_worth_a_warning(console, api, acme):
    client = api(acme)
    client.post(
        "/api/templates",
        {"name": "gaps", "html": "<p>{{user.name}}</p><img src=x>", "tags": {"marketing": "1"}},
    )
    template = Template.across_tenants.get(name="gaps")
    text = console.get(page(template)).content.decode()
    assert "Without a value: user.name" in text
    assert "no_alt_text" in text
    assert "no_unsubscribe_link" in text
    client.put("/api/templates/gaps/test-data", {"test_data": {"wrong": {"user": 5}}})
    client.patch("/api/templates/gaps", {"html": "{{currency user 'XYZ'}}", "text": "x"})
    client.put("/api/templates/gaps/test-data", {"test_data": {"wrong": {"user": 5}}})
    text = console.get(page(template)).content.decode()
    assert "html, line 1, column 3: currency: XYZ is no currency code" in text
    assert frames(text) == []


def test_a_version_that_is_not_there_is_told(console, acme):
    template = Template.across_tenants.get(tenant=acme.tenant, name="welcome")
    assert "There is no version 7." in console.get(page(template, version="7")).content.decode()


def test_nobody_else_sees_the_page(evil, db):
    stranger = Client()
    stranger.force_login(User.objects.create(username="ned", is_staff=True))
    assert stranger.get(page(evil)).status_code == 403


def test_a_hostile_template_is_harmless_on_the_page(evil, console, browser):
    text = console.get(page(evil)).content.decode()
    assert "<script>x</script>" not in text
    for frame in frames(text):
        for word in (
            "evil.test/refresh",
            "<script",
            "onload",
            "<svg",
            "<form",
            "<base",
            "expression",
            "@import",
        ):
            assert word not in frame
    whole = re.sub(r'<(?:script|link)[^>]*(?:src|href)="/static[^>]*>(?:</script>)?', "", text)
    seen = browser.look(whole, width=1280, headers={"Content-Security-Policy": POLICY}, click=BAIT)
    assert (seen.mark, seen.dialogs, seen.address) == (None, [], "http://page.test/")
    assert [address for address in seen.requests if "evil.test" in address] == []


def test_the_walls_behind_the_sanitised_copy_hold_alone(browser):
    """Were the copy not sanitised at all, frame and policy would still let nothing out."""
    inside = html.escape(INSIDE + EVIL)
    whole = f'<body><iframe sandbox="" referrerpolicy="no-referrer" srcdoc="{inside}"></iframe></body>'
    seen = browser.look(whole, headers={"Content-Security-Policy": POLICY}, click=BAIT)
    assert (seen.mark, seen.dialogs, seen.address) == (None, [], "http://page.test/")
    assert [address for address in seen.requests if "evil.test" in address] == []


def test_without_the_walls_the_hostile_template_does_act(browser):
    """Or the tests above could not fail."""
    seen = browser.look(EVIL.replace("http-equiv", "data-x"), click=(".bait",))
    assert seen.mark is not None or seen.dialogs
    assert any("evil.test" in address for address in [seen.address, *seen.requests])
