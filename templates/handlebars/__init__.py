"""Mailgrid's template language: the part of Handlebars that docs/templates.md describes. Pure.

`compile` turns a source into a `Program`; its `render` merges plain JSON values into it. What it prints is what
handlebars.js 4.7 prints, save for the differences that docs/templates.md lists; tests/contracts compares the two.
Nothing a tenant writes here reaches an attribute, a file or another template, and everything ends at a limit.
"""

from templates.handlebars.errors import (
    HelperError,
    LimitExceeded,
    MissingVariable,
    RenderError,
    TemplateSyntaxError,
)
from templates.handlebars.program import Program, compile
from templates.handlebars.variables import Variable

__all__ = [
    "HelperError",
    "LimitExceeded",
    "MissingVariable",
    "Program",
    "RenderError",
    "TemplateSyntaxError",
    "Variable",
    "compile",
]
