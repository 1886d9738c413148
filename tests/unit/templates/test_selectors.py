"""What a send asks: which version, and its programs."""

import pytest

from mailgrid.core.cache import forget_everything
from mailgrid.core.clock import now
from mailgrid.core.errors import NotFound
from mailgrid.core.scoping import in_scope
from templates.drafts import drafted
from templates.models import Template
from templates.publishing import pin, publish, roll_back
from templates.rendering import programs, render
from templates.selectors import NotPublished, VersionNotFound, programs_of, sendable
from templates.services import archive, create, edit
from tenants.audit.services import SYSTEM

BY = {"actor": SYSTEM, "now": now()}


@pytest.fixture
def inside(acme):
    """In acme's scope, with a template of two versions."""
    with in_scope(acme.tenant.pk, test=False):
        draft = drafted(
            None, {"subject": "One", "text": "{{x}}", "sender": acme.sender, "reply_to": ["a@b.example"]}
        )
        create(tenant_id=acme.tenant.pk, naming={"name": "Hello", "alias": "hi"}, draft=draft, **BY)
        publish(wanted="hi", revision=None, note="", **BY)
        edit(wanted="hi", naming={}, values={"text": "{{x}}!"}, revision=None, **BY)
        publish(wanted="hi", revision=None, note="", **BY)
        yield acme


def test_the_live_version_is_found_by_id_alias_and_name(inside):
    template = Template.objects.get(alias="hi")
    found = sendable("Hello")
    assert (found.template_id, found.version_id, found.number) == (template.pk, template.live_id, 2)
    assert (found.sender, found.reply_to) == (inside.sender, ("a@b.example",))
    assert sendable("hi") == sendable(str(template.pk)) == found
    assert sendable("hi", number=1).number == 1


def test_a_process_asks_once_and_forgets_when_something_changes(inside, django_assert_num_queries):
    sendable("hi")
    with django_assert_num_queries(0):
        assert sendable("hi").number == 2
    roll_back(wanted="hi", number=None, **BY)
    assert sendable("hi").number == 1
    pin(wanted="hi", number=2, **BY)
    assert sendable("hi").number == 2


def test_what_cannot_be_sent_is_told(inside, acme):
    with pytest.raises(NotFound):
        sendable("nobody")
    with pytest.raises(VersionNotFound):
        sendable("hi", number=3)
    draft = drafted(None, {"text": "x"})
    create(tenant_id=acme.tenant.pk, naming={"name": "new"}, draft=draft, **BY)
    with pytest.raises(NotPublished):
        sendable("new")
    template_id = str(Template.objects.get(alias="hi").pk)
    archive(wanted="hi", **BY)
    with pytest.raises(NotPublished):
        sendable(template_id)
    with pytest.raises(NotFound):
        sendable("hi")


def test_another_tenants_template_is_unknown(inside, globex):
    template_id = str(Template.objects.get(alias="hi").pk)
    with in_scope(globex.tenant.pk, test=False):
        for wanted in ("hi", "Hello", template_id):
            with pytest.raises(NotFound):
                sendable(wanted)


def test_programs_are_compiled_once_in_a_process(inside, django_assert_num_queries):
    programs.clear()
    ids = [sendable("hi", number=number).version_id for number in (1, 2)]
    with django_assert_num_queries(1):
        found = programs_of(ids)
    assert [render(found[one], {"x": "y"}, provided={}).text for one in ids] == ["y", "y!"]
    with django_assert_num_queries(0):
        assert programs_of(ids) == found


def test_a_version_that_is_gone_is_left_out(inside, acme):
    assert programs_of([acme.tenant.pk]) == {}


def test_what_another_process_changed_is_seen_once_facts_are_forgotten(inside):
    sendable("hi")
    Template.objects.filter(alias="hi").update(pinned=True, live=sendable("hi", number=1).version_id)
    assert sendable("hi").number == 2
    forget_everything()
    assert sendable("hi").number == 1
