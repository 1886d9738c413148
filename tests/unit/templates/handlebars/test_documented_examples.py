"""The examples of docs/templates.md print what stands there."""

import json
import re

import pytest

from mailgrid.env import BASE_DIR
from templates.handlebars import compile
from templates.handlebars.signatures import SIGNATURES

DOCUMENT = (BASE_DIR / "docs" / "templates.md").read_text()
EXAMPLE = re.compile(r"```handlebars\n(.*?)\n```\n```json\n(.*?)\n```\n```text\n(.*?)\n```", re.DOTALL)
EXAMPLES = EXAMPLE.findall(DOCUMENT)


@pytest.mark.parametrize(("template", "data", "printed"), EXAMPLES)
def test_an_example_prints_what_is_written(template, data, printed):
    rendered = compile(template, escape=True).render(json.loads(data))
    assert rendered.replace("\u00a0", " ") == printed  # a no-break space before the euro sign


def test_every_example_is_seen():
    assert len(EXAMPLES) == DOCUMENT.count("```handlebars") >= 10


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_every_helper_is_documented(name):
    assert re.search(rf"`{name} ", DOCUMENT)
