"""A message that says what a template's version says: the version and the values are kept, the words are made anew.

A version never changes and rendering has no clock, so they are the same each time. What differs from recipient to
recipient is a mark until a copy is composed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from templates.rendering import Programs, Rendered, render
from templates.selectors import programs_of

# Stands for the recipient's own unsubscribe link. A name under .invalid never leads anywhere (RFC 6761 6.4).
UNSUBSCRIBE_MARK: Final = "https://unsubscribe.mailgrid.invalid/"
PROVIDED_MARKS: Final[Mapping[str, str]] = {"unsubscribe_url": UNSUBSCRIBE_MARK}


class VersionGone(Exception):
    """The version was deleted with its tenant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedVersion:
    """The version of a template that a message was accepted with, and the values that fill it."""

    template_id: UUID
    version_id: UUID
    number: int
    variables: dict[str, Any] = field(repr=False)

    def as_kept(self) -> dict[str, Any]:
        """For the content's JSON."""
        return {
            "template": self.template_id,
            "id": self.version_id,
            "number": self.number,
            "variables": self.variables,
        }

    @classmethod
    def of_kept(cls, kept: Mapping[str, Any]) -> "FixedVersion":
        """Read back what `as_kept` wrote."""
        return cls(
            template_id=UUID(kept["template"]),
            version_id=UUID(kept["id"]),
            number=kept["number"],
            variables=kept["variables"],
        )


def programs_for(versions: Iterable[FixedVersion]) -> Mapping[UUID, Programs]:
    """The compiled versions of a batch: one query for those that this process does not know."""
    ids = {version.version_id for version in versions}
    return programs_of(ids) if ids else {}


def words(version: FixedVersion, programs: Mapping[UUID, Programs]) -> Rendered:
    """Raises `VersionGone`, and `TemplateRenderError`, which the trial at acceptance has ruled out."""
    if version.version_id not in programs:
        raise VersionGone(f"version {version.version_id} of template {version.template_id} is gone")
    return render(programs[version.version_id], version.variables, provided=PROVIDED_MARKS)
