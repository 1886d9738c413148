"""Line charts as SVG: a few lines, axes with round numbers, readable on light and dark ground."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 760, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 72, 24, 48, 112
_COLOURS: Final = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2", "#6b7280")
_FONT: Final = 'font-family="system-ui, sans-serif" font-size="13"'


@dataclass(frozen=True, slots=True)
class Line:
    """Points in the order of x."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """`limit` is a bound that is drawn across; with `by_tens` the x axis is logarithmic."""

    title: str
    x: str
    y: str
    lines: Sequence[Line]
    by_tens: bool = False
    limit: float | None = None

    def svg(self) -> str:
        """The picture."""
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" {_FONT} role="img">',
                f"<title>{escape(self.title)}</title>",
                f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
                _text(_LEFT, 24, self.title, weight="600"),
                *self._grid(),
                *self._limit(),
                *(self._line(place, line) for place, line in enumerate(self.lines)),
                *self._names(),
                "</svg>",
                "",
            ]
        )

    def _grid(self) -> list[str]:
        parts = []
        for value in self._y_marks():
            y = self._y(value)
            parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#e5e7eb"/>')
            parts.append(_text(_LEFT - 8, y + 4, _short(value), anchor="end"))
        for value in self._x_marks():
            parts.append(_text(self._x(value), _HEIGHT - _BOTTOM + 18, _short(value), anchor="middle"))
        parts.append(_text((_WIDTH + _LEFT - _RIGHT) / 2, _HEIGHT - _BOTTOM + 36, self.x, anchor="middle"))
        parts.append(_text(_LEFT, 41, self.y, colour="#6b7280"))
        return parts

    def _limit(self) -> list[str]:
        if self.limit is None:
            return []
        y = self._y(self.limit)
        return [
            f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#111827" stroke-dasharray="6 4"/>',
            _text(_WIDTH - _RIGHT, y - 6, f"{self.limit:g}", anchor="end"),
        ]

    def _line(self, place: int, line: Line) -> str:
        points = " ".join(f"{self._x(x):.1f},{self._y(y):.1f}" for x, y in line.points)
        colour = _COLOURS[place % len(_COLOURS)]
        return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'

    def _names(self) -> list[str]:
        parts = []
        for place, line in enumerate(self.lines):
            x, y = _LEFT + place % 2 * 340, _HEIGHT - 52 + place // 2 * 19
            colour = _COLOURS[place % len(_COLOURS)]
            parts.append(f'<path d="M{x} {y - 4}h18" stroke="{colour}" stroke-width="3"/>')
            parts.append(_text(x + 24, y, line.name))
        return parts

    def _x(self, value: float) -> float:
        first, last = self._x_ends()
        low, high, at = (
            (math.log10(v) for v in (first, last, value)) if self.by_tens else (first, last, value)
        )
        return _LEFT + (at - low) / ((high - low) or 1) * (_WIDTH - _LEFT - _RIGHT)

    def _y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - value / self._y_marks()[-1] * (_HEIGHT - _TOP - _BOTTOM)

    def _x_ends(self) -> tuple[float, float]:
        values = [x for line in self.lines for x, _ in line.points]
        return min(values), max(values)

    def _x_marks(self) -> list[float]:
        first, last = self._x_ends()
        if not self.by_tens:
            return [mark for mark in _round_marks(last) if mark >= first]
        return [
            10.0**power for power in range(math.ceil(math.log10(first)), math.floor(math.log10(last)) + 1)
        ]

    def _y_marks(self) -> list[float]:
        highest = max([y for line in self.lines for _, y in line.points] + [self.limit or 0.0])
        return _round_marks(highest * 1.02, beyond=True)


def _round_marks(highest: float, *, beyond: bool = False) -> list[float]:
    """From zero in four to eight round steps, to the last one below `highest`, or above it."""
    rough = (highest or 1.0) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1, 2, 2.5, 5, 10) if power * times >= rough)
    count = math.ceil(highest / step) if beyond else math.floor(highest / step)
    return [step * place for place in range(count + 1)]


def _short(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _text(
    x: float, y: float, words: str, *, anchor: str = "start", weight: str = "400", colour: str = "#111827"
) -> str:
    style = f'text-anchor="{anchor}" font-weight="{weight}" fill="{colour}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(words)}</text>'
