"""A compiled template. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from templates.handlebars.blocks import compile_body
from templates.handlebars.errors import Place
from templates.handlebars.parser import parse
from templates.handlebars.running import Frame, Run, Write
from templates.handlebars.scopes import TOP
from templates.handlebars.variables import Variable, find_variables
from templates.handlebars.whitespace import control_whitespace

_BEGIN: Final = Place(1, 1)


class Program:
    """A template that can be rendered any number of times, by any number of threads: it never changes."""

    __slots__ = ("_write", "variables")

    def __init__(self, write: Write, variables: tuple[Variable, ...]) -> None:
        self._write = write
        self.variables = variables

    def render(self, data: Mapping[str, Any]) -> str:
        """The template with plain JSON values merged in.

        Raises MissingVariable, HelperError, LimitExceeded, or RenderError for a value that has no text.
        """
        root = data if type(data) is dict else dict(data)
        run = Run(root)
        self._write(run, Frame(root))
        return run.text(_BEGIN)


def compile(source: str, *, escape: bool) -> Program:
    """A source to a program.

    With `escape` what `{{…}}` prints is made safe for HTML, elements and quoted attributes; without, as for subjects
    and text parts, nothing is. Raises TemplateSyntaxError.
    """
    body = parse(source)
    control_whitespace(body)
    write = compile_body(body, TOP, _BEGIN, escapes=escape)
    return Program(write, find_variables(body))
