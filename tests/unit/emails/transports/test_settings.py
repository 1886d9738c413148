"""Each kind of transport gets what it needs and nothing else."""

import pytest

from emails.transports import settings as kinds
from mailgrid.core.errors import Invalid, MissingField

KEYS = {"region": "eu-west-1", "access_key_id": "AKIDTEST", "secret_access_key": "s3cret/+="}


def checked(kind: str, values: dict, *, shared: bool = False, allowed=()):
    account = kinds.read(kind, values)
    kinds.check(account, shared=shared, allowed=allowed)
    return account


@pytest.mark.parametrize(
    "values",
    [
        KEYS,
        {"region": "us-gov-west-1", "role_arn": "arn:aws-us-gov:iam::123456789012:role/mail/send"},
        {**KEYS, "topic_arns": ["arn:aws:sns:eu-west-1:000000000000:ses-events"], "endpoint_url": None},
        {**KEYS, "endpoint_url": "https://email.eu-west-1.amazonaws.com", "configuration_set": "main"},
    ],
)
def test_an_ses_account_is_a_region_and_a_way_to_sign(values):
    assert checked("ses", values).region == values["region"]


def test_the_operators_account_may_sign_with_the_installations_own_credentials():
    assert checked("ses", {"region": "eu-west-1"}, shared=True)
    with pytest.raises(MissingField):
        checked("ses", {"region": "eu-west-1"})


@pytest.mark.parametrize(
    ("values", "field", "code"),
    [
        ({}, "settings.region", "missing_required_field"),
        ({**KEYS, "region": "evil.com/#"}, "settings.region", "invalid_choice"),
        ({**KEYS, "region": "eu-west-1\n"}, "settings.region", "invalid_choice"),
        ({**KEYS, "region": 1}, "settings.region", "invalid_type"),
        ({**KEYS, "secret_access_key": None}, "settings.secret_access_key", "missing_required_field"),
        ({**KEYS, "access_key_id": None}, "settings.access_key_id", "missing_required_field"),
        ({**KEYS, "role_arn": "arn:aws:iam::123456789012:role/x"}, "settings.role_arn", "mutually_exclusive"),
        ({**KEYS, "endpoint_url": "http://169.254.169.254"}, "settings.endpoint_url", "forbidden_host"),
        ({**KEYS, "topic_arns": ["topic"]}, "settings.topic_arns[0]", "invalid_choice"),
        ({**KEYS, "topic_arns": ["arn:aws:sns:a:123456789012:b"] * 21}, "settings.topic_arns", "too_many"),
        ({**KEYS, "configuration_set": "x" * 65}, "settings.configuration_set", "too_long"),
        ({**KEYS, "regoin": "eu-west-1"}, "settings.regoin", "unknown_field"),
    ],
)
def test_wrong_ses_settings_name_the_field_to_blame(values, field, code):
    with pytest.raises(Invalid) as refused:
        checked("ses", values)
    assert [(item.field, item.code) for item in refused.value.errors] == [(field, code)]


@pytest.mark.parametrize(
    ("values", "field", "code"),
    [
        ({}, "settings.host", "missing_required_field"),
        ({"host": "localhost"}, "settings.host", "forbidden_host"),
        ({"host": "smtp.example.com", "port": 5432}, "settings.port", "out_of_range"),
        ({"host": "smtp.example.com", "port": 0}, "settings.port", "out_of_range"),
        ({"host": "smtp.example.com", "tls": "maybe"}, "settings.tls", "invalid_choice"),
        ({"host": "smtp.example.com", "username": "u"}, "settings.password", "missing_required_field"),
    ],
)
def test_wrong_smtp_settings_name_the_field_to_blame(values, field, code):
    with pytest.raises(Invalid) as refused:
        checked("smtp", values)
    assert [(item.field, item.code) for item in refused.value.errors] == [(field, code)]


def test_a_listed_smtp_server_may_listen_anywhere():
    assert checked("smtp", {"host": "127.0.0.1", "port": 1025, "tls": "none"}, allowed={"127.0.0.1"})


def test_the_sandbox_wants_nothing():
    assert kinds.public_part(checked("sandbox", {})) == {}
    with pytest.raises(Invalid):
        checked("sandbox", {"region": "eu-west-1"})


def test_secrets_are_kept_apart_and_out_of_logs():
    account = checked("ses", KEYS)
    assert kinds.secret_part(account) == {"secret_access_key": "s3cret/+="}
    assert "secret_access_key" not in kinds.public_part(account)
    assert "s3cret" not in repr(account)
