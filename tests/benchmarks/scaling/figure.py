"""Lines in an SVG file, which reads well on light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 60, 230, 40, 50
COLORS = ("#0a7d55", "#3b6fd4", "#b8791a", "#c0392b")


def line_chart(
    title: str,
    x_label: str,
    y_label: str,
    lines: Mapping[str, Sequence[tuple[float, float]]],
) -> str:
    """Return a chart with a logarithmic x axis and a y axis from 0; lines by their names."""
    points = [point for line in lines.values() for point in line]
    xs = sorted({x for x, _ in points})
    most = _round_up(max(y for _, y in points))

    def place(x: float, y: float) -> tuple[float, float]:
        low, high = math.log(xs[0]), math.log(xs[-1])
        across = (math.log(x) - low) / (high - low or 1)
        return (
            LEFT + across * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - y / most * (HEIGHT - TOP - BOTTOM),
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'role="img" aria-label="{escape(title)}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 20, title, "start", "bold"),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_label, "middle"),
        _text(LEFT, TOP - 6, y_label, "start"),
    ]
    for step in range(5):
        value = most * step / 4
        left, y = place(xs[0], value)
        right, _ = place(xs[-1], value)
        parts.append(f'<path d="M{left:.0f} {y:.1f}H{right:.0f}" stroke="#d7d7d7"/>')
        parts.append(_text(left - 6, y + 4, f"{value:g}", "end"))
    for x in xs:
        across, bottom = place(x, 0)
        parts.append(_text(across, bottom + 18, f"{x:g}", "middle"))
    for number, (name, line) in enumerate(lines.items()):
        color = COLORS[number % len(COLORS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        y = TOP + 14 + 20 * number
        across = WIDTH - RIGHT + 14
        parts.append(f'<path d="M{across} {y - 4}h18" stroke="{color}" stroke-width="2"/>')
        parts.append(_text(across + 24, y, name, "start"))
    return "\n".join([*parts, "</svg>", ""])


def _text(x: float, y: float, text: str, anchor: str, weight: str = "normal") -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="#222222">{escape(text)}</text>'
    )


def _round_up(value: float) -> float:
    """Return the next number of 1, 2, 4, 8 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(power * step for step in (1, 2, 4, 8, 10) if power * step >= value)
