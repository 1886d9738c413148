"""Make the people who run this installation."""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from mailgrid.core.errors import Conflict, Invalid
from tenants.members.models import User


class UsernameTaken(Conflict):
    """Somebody has this name already."""


def create_operator(*, username: str, password: str) -> User:
    """A person who may do everything in the console.

    Raises `UsernameTaken`, and `Invalid` for a name or password that the rules of the settings refuse.
    """
    user = User(username=User.normalize_username(username), is_staff=True, is_superuser=True)
    try:
        user.clean_fields(exclude=["password"])
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid(" ".join(error.messages)) from None
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:
        raise UsernameTaken(f"There is somebody called {username} already.") from None
    return user
