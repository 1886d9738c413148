"""The request bodies of templates: what may be written, and how it becomes values."""

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, cast

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from mailgrid.http.reading import Body
from templates.drafts import DraftValues
from templates.services import Naming
from templates.variables import Declared

MAX_PART_BYTES: Final = 2 * 1024 * 1024
MAX_SETS: Final = 20
RESERVED_TAG: Final = "mg:"

_NAMING: Final = frozenset({"name", "alias", "tags"})


def _fits(value: str) -> str:
    if len(value) > MAX_PART_BYTES or (not value.isascii() and len(value.encode()) > MAX_PART_BYTES):
        raise PydanticCustomError("too_long", "At most {limit} bytes.", {"limit": MAX_PART_BYTES})
    return value


def _plain(value: str) -> str:
    if not value.isprintable():
        raise PydanticCustomError("invalid_choice", "Control characters are not allowed here.")
    return value


def _named(value: str) -> str:
    if value != value.strip() or not value:
        raise PydanticCustomError("invalid_choice", "A name begins and ends with something visible.")
    return _plain(value)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _tags(value: dict[str, str]) -> dict[str, str]:
    for key in value:
        if key.lower().startswith(RESERVED_TAG):
            raise PydanticCustomError("reserved_name", "Keys starting with mg: are reserved.")
    return value


def _check(check: Callable[..., Any]) -> AfterValidator:
    return AfterValidator(check)


Name = Annotated[str, Field(min_length=1, max_length=100), _check(_named)]
Alias = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Part = Annotated[str, _check(_fits)]
Line = Annotated[str, Field(max_length=998), _check(_plain)]
Address = Annotated[str, Field(max_length=1_000)]
TagKey = Annotated[str, Field(min_length=1, max_length=128), _check(_plain)]
TagValue = Annotated[str, Field(max_length=256), _check(_plain)]
Number = Annotated[int, Field(ge=1, le=1_000_000)]


class VariableBody(Body):
    """A variable that the template takes. Without `fallback_value` a mail that uses it must give it."""

    key: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,49}$")]
    type: Literal["string", "number", "boolean", "object", "list"] = "string"
    fallback_value: Any = None


class TemplateChanges(Body):
    """What may be changed: name, alias and tags at once, all else in the draft."""

    name: Name | None = None
    alias: Alias | None = None
    tags: Annotated[dict[TagKey, TagValue], Field(max_length=10), _check(_tags)] | None = None
    format: Literal["html", "mjml", "text"] | None = None
    subject: Line | None = None
    from_: Annotated[Address | None, Field(alias="from")] = None
    reply_to: Annotated[list[Address], BeforeValidator(_as_list), Field(max_length=5)] | None = None
    html: Part | None = None
    text: Part | None = None
    variables: Annotated[list[VariableBody], Field(max_length=100)] | None = None
    revision: Annotated[int, Field(ge=1)] | None = None

    def naming(self) -> Naming:
        """Name, alias and tags, as far as they are given; null takes alias and tags away."""
        given = {name: getattr(self, name) for name in self.model_fields_set & _NAMING}
        if given.get("name", "") is None:
            del given["name"]
        if given.get("tags", {}) is None:
            given["tags"] = {}
        return cast(Naming, given)

    def draft(self) -> DraftValues:
        """The rest, as far as it is given; null clears it."""
        given: dict[str, Any] = {
            "sender" if name == "from_" else name: getattr(self, name)
            for name in self.model_fields_set - _NAMING - {"revision"}
        }
        if given.get("format", "") is None:
            del given["format"]
        if "variables" in given:
            given["variables"] = [
                Declared(key=one.key, type=one.type, fallback=one.fallback_value)
                for one in self.variables or ()
            ]
        if "reply_to" in given:
            given["reply_to"] = given["reply_to"] or []
        return cast(DraftValues, given)


class NewTemplate(TemplateChanges):
    """A template to create: its names, and a draft."""

    name: Name


class PublishBody(Body):
    """Which revision to freeze, if only that one, and a note for the list of versions."""

    revision: Annotated[int, Field(ge=1)] | None = None
    note: Annotated[str, Field(max_length=500)] | None = None


class VersionBody(Body):
    """A version by its number."""

    version: Number | None = None


class DuplicateBody(Body):
    """A name for the copy."""

    name: Name | None = None


class PreviewBody(Body):
    """Which content, and with what."""

    version: Literal["draft", "live"] | Number | None = None
    variables: dict[str, Any] | None = None


class ExamplesBody(Body):
    """Named examples: each holds the variables of one."""

    test_data: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=100), _check(_plain)], dict[str, Any]],
        Field(max_length=MAX_SETS),
    ] = {}
