"""Template, and the versions of it that were published."""

from typing import Any

from django.db import models

from mailgrid.core.ids import uuid7
from mailgrid.core.scoping import TenantRow
from templates.formats import Format
from templates.variables import Declared, declared

_FORMATS = [(word.value, word.value) for word in Format]


class Written(TenantRow):
    """What an author writes; the draft has it, and each version a copy.

    `text` of None is derived from the HTML, an empty one stays away. `used` are the variables that the language found:
    name, required, kind. `sender` None means: the stream's.
    """

    format = models.CharField(max_length=8, choices=_FORMATS, default=Format.HTML.value)
    subject = models.CharField(max_length=998, null=True, blank=True)
    sender = models.CharField(max_length=320, null=True, blank=True)
    reply_to = models.JSONField(default=list, blank=True)
    html = models.TextField(null=True, blank=True)
    text = models.TextField(null=True, blank=True)
    variables = models.JSONField(default=list, blank=True)
    used = models.JSONField(default=list, blank=True)

    class Meta(TenantRow.Meta):
        abstract = True

    @property
    def declared(self) -> tuple[Declared, ...]:
        """The variables as values."""
        return declared(self.variables)


WRITTEN = ("format", "subject", "sender", "reply_to", "html", "text", "variables", "used")


class Template(Written):
    """Named content: a draft that is edited, and a pointer to the version that is live.

    `revision` rises with each edit. `pinned` keeps publishing from moving `live`. `edited`: the draft differs from the
    newest version. Once archived a template is read by its id alone, and its names are free. `builtin` names the
    template of ours that it began as.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=100)
    alias = models.CharField(max_length=64, null=True, blank=True)
    tags = models.JSONField(default=dict, blank=True)
    test_data = models.JSONField(default=dict, blank=True)
    revision = models.PositiveIntegerField(default=1)
    edited = models.BooleanField(default=True)
    live = models.ForeignKey(
        "TemplateVersion", on_delete=models.RESTRICT, null=True, blank=True, related_name="+"
    )
    pinned = models.BooleanField(default=False)
    newest = models.PositiveIntegerField(default=0)
    builtin = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta(TenantRow.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "name"],
                condition=models.Q(archived_at=None),
                name="templates_template_name",
            ),
            models.UniqueConstraint(
                fields=["tenant", "alias"],
                condition=models.Q(archived_at=None),
                name="templates_template_alias",
            ),
            models.UniqueConstraint(
                fields=["tenant", "builtin"],
                condition=~models.Q(builtin=""),
                name="templates_template_builtin",
            ),
        ]
        indexes = [models.Index(fields=["tenant", "id"], name="templates_template_newest")]

    @property
    def status(self) -> str:
        """`draft` until something is published, `archived` in the end."""
        if self.archived_at:
            return "archived"
        return "published" if self.newest else "draft"

    def __str__(self) -> str:
        return self.name


class TemplateVersion(Written):
    """What was published, for ever as it was: the database refuses to change a row (migration 0001).

    `prepared_html` and `prepared_text` are what is rendered: MJML compiled, sheets inlined, text derived.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    template = models.ForeignKey(Template, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    note = models.CharField(max_length=500, blank=True)
    prepared_html = models.TextField(null=True, blank=True)
    prepared_text = models.TextField(null=True, blank=True)
    warnings = models.JSONField(default=list, blank=True)
    published_at = models.DateTimeField()

    class Meta(TenantRow.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant", "template", "number"], name="templates_version_number")
        ]

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Once."""
        if not self._state.adding:
            raise TypeError("a published version never changes")
        super().save(*args, **kwargs)

    def __str__(self) -> str:
        return f"{self.template_id} version {self.number}"
