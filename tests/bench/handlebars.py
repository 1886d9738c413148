"""How long templates take to compile and to render: `python -m tests.bench.handlebars`. CPU time of one thread."""

import time
from collections.abc import Callable
from timeit import repeat
from typing import Any, Final

from templates.handlebars import compile

_ROW = "<tr><td>{{@index}}</td><td>{{name}}</td><td>{{price}}</td>{{#if sale}}<td>{{sale}}</td>{{/if}}</tr>"
CODE: Final = (
    "Hello {{default name 'there'}},\n\nyour code is {{code}}. It is valid for {{minutes}} minutes.\n"
)
TABLE: Final = f"<h1>{{{{title}}}}</h1><table>{{{{#each rows}}}}{_ROW}{{{{/each}}}}</table>"
MONEY: Final = "{{date at 'd MMMM y' 'Europe/Berlin' 'de'}}: {{currency total 'EUR' 'de-DE'}}"
DATA: Final[dict[str, Any]] = {
    "name": "Ann",
    "code": "123456",
    "minutes": 10,
    "title": "Receipt",
    "rows": [{"name": "Tea & cups", "price": 12.5, "sale": at % 2 == 0} for at in range(10)],
    "at": "2026-03-01T21:30:00Z",
    "total": 1234.5,
}
_ROUNDS: Final = 2_000


def microseconds(work: Callable[[], object]) -> float:
    """The fastest of five runs, in microseconds a call."""
    return min(repeat(work, number=_ROUNDS, repeat=5, timer=time.process_time)) / _ROUNDS * 1e6


def main() -> None:
    """Print a table; the targets are those of issue 6."""
    code, table, money = (compile(source, escape=True) for source in (CODE, TABLE, MONEY))
    rows: list[tuple[str, Callable[[], object], str]] = [
        ("render a code mail", lambda: code.render(DATA), "< 10"),
        ("render a table of ten rows", lambda: table.render(DATA), "< 60"),
        ("render a date and an amount", lambda: money.render(DATA), ""),
        ("compile the code mail", lambda: compile(CODE, escape=True), ""),
        ("compile the table", lambda: compile(TABLE, escape=True), ""),
    ]
    for name, work, target in rows:
        print(f"{name:30} {microseconds(work):8.1f} µs  {target}")


if __name__ == "__main__":
    main()
