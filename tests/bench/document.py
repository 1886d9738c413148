"""Write the newest run into the documents: tables between two marks, pictures beside them.

Nothing between the marks is written by hand, and nothing outside is touched.
"""

import json
import re
from pathlib import Path
from typing import Final

from mailgrid.env import BASE_DIR
from tests.bench import growth, scaling, table
from tests.bench.drawing import Chart, Line
from tests.bench.results import Results
from tests.bench.simulation import held

_PERFORMANCE: Final = BASE_DIR / "docs" / "performance.md"
_SCALING: Final = BASE_DIR / "docs" / "scaling.md"
_GROWTH: Final = BASE_DIR / "docs" / "images" / "growth.svg"
_SIMULATION: Final = BASE_DIR / "docs" / "images" / "simulation.svg"


def write(results: Results) -> None:
    """Everything that the rows at hand allow."""
    write_between_marks(_PERFORMANCE, "measured", "\n\n".join(_sections(results)))
    if "growth" in results.rows:
        _GROWTH.write_text(growth_chart(results).svg())
    _SIMULATION.write_text(held.chart(json.loads(held.MEASURED.read_text())).svg())
    if costs := scaling.costs(results):
        write_between_marks(_SCALING, "computed", scaling.document(costs))


def growth_chart(results: Results) -> Chart:
    """Each operation's cost by the number of existing messages, as a multiple of the smallest case."""
    sizes = {int(name.split(maxsplit=1)[0].replace(",", "")): name for name in results.contestants("growth")}
    lines = []
    for operation in growth.OPERATIONS:
        found = {
            size: value
            for size, name in sorted(sizes.items())
            if (value := results.value("growth", operation, name)) is not None
        }
        first = next(iter(found.values()))
        lines.append(Line(operation, [(size, value / first) for size, value in found.items()]))
    return Chart(
        title="Cost of an operation, by the number of existing messages",
        x="existing messages",
        y="multiple of the smallest case",
        lines=lines,
        by_tens=True,
        limit=1.3,
    )


def _sections(results: Results) -> list[str]:
    if not results.rows:
        return []
    facts = next(iter(results.rows.values())).facts
    measured = (
        f"Measured {facts['at']} UTC, code {facts['commit'] or 'without a repository'}, on {facts['machine']},"
        f" load {facts['load']} before; {facts['database']}. Others used at most {table.others(results):.0%} of the"
        " machine meanwhile."
    )
    parts = [
        measured,
        "### Targets",
        table.markdown(table.targets(results)),
    ]
    for name, row in results.rows.items():
        size = f" (N={row.n:,})" if row.n else ""
        parts += [f"### {table.title(name)}{size}", table.markdown(table.values(results, name))]
        if cpu := table.cpu(results, name):
            parts.append(table.markdown(cpu))
        parts += [f"{absent} cannot be had here: {why}" for absent, why in row.absent.items()]
    return parts


def write_between_marks(path: Path, name: str, text: str) -> None:
    """Raises ValueError when the document has no such place."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    place = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    written, count = place.subn(lambda _: f"{begin}\n\n{text}\n\n{end}", path.read_text())
    if count != 1:
        raise ValueError(f"{path.name} has {count} places for what was {name}")
    path.write_text(written)
