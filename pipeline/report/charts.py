"""Charts as SVG without text: a drawing stretches with the page, so its labels are HTML beside it, at a fixed size.

Every drawing is WIDTH x HEIGHT in its own coordinates; places on an axis are shares (0 to 1) of the drawn width or
height. Colours are CSS classes: `s0`, `s1`, ... of the splits, `sp` of the earlier run.
"""

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from pipeline.report.axes import Tick

WIDTH = 1000
HEIGHT = 200
TAIL = 22
GAP = 14
COLORS = 6
LEVELS = 8
"""Of darkness."""


class Span(NamedTuple):
    """The part of the width that bins take, in drawing units: tails stand left and right of it."""

    left: float
    right: float

    def place(self, share: float) -> float:
        """Return the horizontal coordinate of a share of the bins' range."""
        return self.left + share * (self.right - self.left)


def color(series: int, compared: int) -> str:
    """Return the CSS class of a series' colour."""
    return f"s{series % COLORS}" if series < compared else "sp"


def span(*, below: bool, above: bool) -> Span:
    """Return where bins go with tails below or above them."""
    return Span((TAIL + GAP) if below else 0, WIDTH - ((TAIL + GAP) if above else 0))


def shares(rows: Sequence[int]) -> list[float]:
    """Return each count's share of all."""
    total = sum(rows)
    return [count / total if total else 0.0 for count in rows]


def histogram(series: Sequence[Sequence[int]], colors: Sequence[str], top: float, title: str) -> str:
    """Return a histogram: the first series filled, the others as outlines; `top` is the share at the upper edge.

    Each series counts rows below the bins, in each of them, and above; the tails are columns of their own.
    """
    where = span(below=any(rows[0] for rows in series), above=any(rows[-1] for rows in series))
    drawn = [
        f'<path class="{"fill" if index == 0 else "line"} {shade}" d="{_outline(shares(rows), where, top)}"/>'
        for index, (rows, shade) in enumerate(zip(series, colors, strict=True))
        if any(rows)
    ]
    return svg("".join(drawn), title)


def _outline(values: Sequence[float], where: Span, top: float) -> str:
    """Return the path of a histogram's outline, tails apart."""
    inner = values[1:-1]
    path = _steps(inner, where.left, (where.right - where.left) / len(inner), top)
    if where.left:
        path += _steps(values[:1], 0, TAIL, top)
    if where.right < WIDTH:
        path += _steps(values[-1:], WIDTH - TAIL, TAIL, top)
    return path


def _steps(values: Sequence[float], left: float, width: float, top: float) -> str:
    steps = "".join(f"V{_y(value, top)}H{_short(left + (index + 1) * width)}" for index, value in enumerate(values))
    return f"M{_short(left)} {HEIGHT}{steps}V{HEIGHT}"


def _y(value: float, top: float) -> str:
    return _short(HEIGHT * (1 - value / top)) if top else str(HEIGHT)


def _short(number: float) -> str:
    """Return a coordinate with one decimal at most."""
    return f"{number:.1f}".removesuffix(".0")


def sparkline(rows: Sequence[int], shade: str) -> str:
    """Return a small histogram without axes; the table around it has its numbers."""
    values = shares(rows)
    top = max(values, default=0.0)
    path = _steps(values, 0, WIDTH / len(values), top) if values else ""
    return (
        f'<svg class="spark" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        f'<path class="fill {shade}" d="{path}"/></svg>'
    )


def line(points: Sequence[tuple[float, float | None]], shade: str) -> str:
    """Return a line through points (place across, place up), interrupted where the latter is None."""
    path, pen = "", "M"
    for across, up in points:
        if up is None:
            pen = "M"
            continue
        path += f"{pen}{_short(across * WIDTH)} {_y(up, 1)}"
        pen = "L"
    return f'<path class="line {shade}" d="{path}"/>'


def stairs(points: Sequence[tuple[float, float]], shade: str) -> str:
    """Return a line through points (place across, place up) that stays level until the next one."""
    path = "".join(
        f"H{_short(across * WIDTH)}V{_y(up, 1)}" if index else f"M{_short(across * WIDTH)} {_y(up, 1)}"
        for index, (across, up) in enumerate(points)
    )
    return f'<path class="line {shade}" d="{path}H{WIDTH}"/>'


class Dot(NamedTuple):
    """A dot at a place across and a place up; `title` is shown when somebody points at it."""

    across: float
    up: float
    title: str


def dots(points: Sequence[Dot], shade: str) -> str:
    """Return dots: lines without length, whose round ends stay round when the drawing is stretched."""
    drawn = "".join(
        f'<path d="M{_short(dot.across * WIDTH)} {_y(dot.up, 1)}h0"><title>{escape(dot.title)}</title></path>'
        for dot in points
    )
    return f'<g class="dots {shade}">{drawn}</g>'


def band(points: Sequence[tuple[float, float, float]], shade: str) -> str:
    """Return an area through points (place across, lower and upper place up)."""
    upper = "L".join(f"{_short(across * WIDTH)} {_y(high, 1)}" for across, _, high in points)
    lower = "L".join(f"{_short(across * WIDTH)} {_y(low, 1)}" for across, low, _ in reversed(points))
    return f'<path class="band {shade}" d="M{upper}L{lower}Z"/>'


def cells(rows: Sequence[Sequence[int]], shade: str) -> str:
    """Return equal cells by place across, then up, the darker the more rows, by their logarithm."""
    most = max((count for column in rows for count in column), default=0)
    width, paths = 1 / len(rows), [""] * LEVELS
    for across, column in enumerate(rows):
        height = 1 / len(column)
        for up, count in enumerate(column):
            if count:
                level = min(int(LEVELS * math.log1p(count) / math.log1p(most)), LEVELS - 1)
                corner = f"M{_short(across * width * WIDTH)} {_y(up * height, 1)}"
                paths[level] += f"{corner}h{_short(width * WIDTH)}v{_short(-height * HEIGHT)}h{_short(-width * WIDTH)}Z"
    return "".join(
        f'<path class="solid {shade}" fill-opacity="{(level + 1) / LEVELS:.2f}" d="{path}"/>'
        for level, path in enumerate(paths)
        if path
    )


def interval(ends: tuple[float, float], dots: Sequence[tuple[float, str]], mark: float) -> str:
    """Return a bar between two places across, dots (place, colour) on it, and a mark from edge to edge."""
    drawn = f'<path class="grid" d="M{_short(mark * WIDTH)} 0V{HEIGHT}"/>'
    low, high = (_short(end * WIDTH) for end in ends)
    drawn += f'<path class="line s0" d="M{low} {HEIGHT // 2}H{high}"/>'
    for place, shade in dots:
        drawn += f'<g class="dots {shade}"><path d="M{_short(place * WIDTH)} {HEIGHT // 2}h0"/></g>'
    return (
        f'<svg class="interval" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        f"{drawn}</svg>"
    )


def columns(stretches: Sequence[tuple[float, float]], rows: Sequence[Sequence[int]], colors: Sequence[str]) -> str:
    """Return columns of stacked counts, one for each (start, end) place; `rows` by stretch and series."""
    top = max((sum(counts) for counts in rows), default=0)
    paths = ["" for _ in colors]
    for (start, end), counts in zip(stretches, rows, strict=True):
        base = 0
        for index, value in enumerate(counts):
            if value:
                left, right, lower = _short(start * WIDTH), _short(end * WIDTH), _y(base, top)
                paths[index] += f"M{left} {lower}V{_y(base + value, top)}H{right}V{lower}Z"
            base += value
    return "".join(f'<path class="solid {shade}" d="{path}"/>' for shade, path in zip(colors, paths, strict=True))


def svg(inner: str, title: str) -> str:
    """Return a drawing that stretches; a screen reader reads `title`."""
    return (
        f'<svg role="img" aria-label="{escape(title, quote=True)}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'preserveAspectRatio="none">{inner}</svg>'
    )


def grid(ticks: Sequence[Tick]) -> str:
    """Return horizontal lines at an axis' ticks."""
    path = "".join(f"M0 {_short(HEIGHT * (1 - tick.place))}H{WIDTH}" for tick in ticks)
    return f'<path class="grid" d="{path}"/>'
