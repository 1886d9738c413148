"""People who run the installation."""

import pytest

from mailgrid.core.errors import Invalid
from tenants.members.models import User
from tenants.members.services import UsernameTaken, create_operator

PASSWORD = "correct horse battery"


def test_an_operator_may_do_everything_in_the_console(db) -> None:
    user = create_operator(username="root", password=PASSWORD)
    stored = User.objects.get(pk=user.pk)
    assert (stored.username, stored.is_staff, stored.is_superuser, stored.is_active) == (
        "root",
        True,
        True,
        True,
    )
    assert stored.check_password(PASSWORD)


def test_a_name_is_taken_once(db) -> None:
    create_operator(username="root", password=PASSWORD)
    with pytest.raises(UsernameTaken):
        create_operator(username="root", password=PASSWORD)
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("username", "password"), [("root", "short"), ("root", "password"), ("", PASSWORD), ("a b", PASSWORD)]
)
def test_a_poor_name_or_password_is_refused(db, username: str, password: str) -> None:
    with pytest.raises(Invalid):
        create_operator(username=username, password=password)
    assert not User.objects.exists()
