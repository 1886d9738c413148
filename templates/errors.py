"""What callers are told when a template cannot be read or rendered. Pure."""

from typing import Final

from mailgrid.core.errors import FieldError, MailgridError
from templates.handlebars import LimitExceeded, MissingVariable, RenderError, TemplateSyntaxError

SYNTAX: Final = "invalid_syntax"
MISSING: Final = "missing_variable"
LIMIT: Final = "limit_exceeded"
FAILED: Final = "render_failed"


class TemplateRenderError(MailgridError):
    """A template that does not parse, or does not render with the data given.

    `part` is `subject`, `html` or `text`, `line` and `column` count from 1 in what the author wrote, or are None;
    `variable` is the one that is missing.
    """

    name = "template_render_error"

    def __init__(
        self,
        message: str,
        *,
        part: str,
        code: str = FAILED,
        line: int | None = None,
        column: int | None = None,
        variable: str | None = None,
    ) -> None:
        place = part if line is None else f"{part}, line {line}, column {column}"
        said = f"{place}: {message}" if message[-1:] in ".!?" else f"{place}: {message}."
        super().__init__(said, errors=[FieldError(part, code, said)])
        self.part = part
        self.code = code
        self.line = line
        self.column = column
        self.variable = variable

    def within(self, what: str) -> "TemplateRenderError":
        """The same error, said of one of several tries."""
        self.message = f"{what}: {self.message}"
        self.errors = (FieldError(self.part, self.code, self.message),)
        return self

    @classmethod
    def of(cls, error: TemplateSyntaxError | RenderError, *, part: str) -> "TemplateRenderError":
        """The language's error as a caller sees it."""
        match error:
            case TemplateSyntaxError():
                code = SYNTAX
            case MissingVariable():
                code = MISSING
            case LimitExceeded():
                code = LIMIT
            case _:
                code = FAILED
        return cls(
            error.message,
            part=part,
            code=code,
            line=error.line,
            column=error.column,
            variable=error.name if isinstance(error, MissingVariable) else None,
        )
