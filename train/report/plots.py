"""Plots as inline SVG: text stays text, colours are the page's own, so that light and dark both work."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Drawn in colours that nothing else has; the page's variables take their place.
_INK, _GRID = "#010100", "#010200"
_LINES = ("#010001", "#010002", "#010003", "#010004")
_VARIABLES = {_INK: "currentColor", _GRID: "var(--line)"} | {c: f"var(--c{n})" for n, c in enumerate(_LINES, 1)}
_DASHES = ("-", "--", "-.", ":")
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "wijha",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _GRID,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK),
}


def _draw(name: str, title: str, paint: Callable[[Axes], None], square: bool = False) -> Markup:
    """An SVG element; `name` keeps its ids apart from those of the page's other plots."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(5.4, 4.6) if square else (5.4, 3.6), layout="constrained")
        FigureCanvasSVG(figure)
        paint(figure.add_subplot())
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    svg = file.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    for start in ('id="', "url(#", 'href="#'):
        svg = svg.replace(start, f"{start}{name}-")
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1))


def _lines(axes: Axes, series: Sequence[tuple[str, Any, Any]], marker: str = "") -> None:
    for number, (label, x, y) in enumerate(series):
        style = {"color": _LINES[number % 4], "linestyle": _DASHES[number % 4], "linewidth": 2, "marker": marker}
        axes.plot(x, y, label=label, markersize=4, **style)


def precision_recall_plot(name: str, title: str, curves: Mapping[str, Mapping[str, Any]]) -> Markup:
    """Precision over recall, a line a curve; curves without points must be left out."""

    def paint(axes: Axes) -> None:
        _lines(axes, [(f"{key} ({c['average']:.3f})", c["recall"], c["precision"]) for key, c in curves.items()])
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.02))
        axes.legend(loc="lower left", title="average precision", alignment="left")

    return _draw(name, title, paint)


def risk_plot(name: str, title: str, curves: Mapping[str, Mapping[str, Any]]) -> Markup:
    """Risk over coverage."""

    def paint(axes: Axes) -> None:
        _lines(axes, [(f"{key} (area {c['area']:.3f})", c["coverage"], c["risk"]) for key, c in curves.items()])
        axes.set(xlabel="coverage: share answered, surest first", ylabel="risk: share wrong", xlim=(0, 1.01))
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper left")

    return _draw(name, title, paint)


def reliability_plot(name: str, title: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Markup:
    """Accuracy over confidence before and after calibration, and the diagonal of a calibrated model."""

    def paint(axes: Axes) -> None:
        series = [
            (f"{key} (ECE {bins['ece']:.3f})", bins["confidence"], bins["accuracy"])
            for key, bins in (("before", before), ("after", after))
        ]
        _lines(axes, series, marker="o")
        low = min([*before["confidence"], *after["confidence"], *before["accuracy"], *after["accuracy"]])
        axes.plot([low, 1], [low, 1], color=_INK, linewidth=0.8)
        axes.set(xlabel="confidence (mean of the bin)", ylabel="accuracy")
        axes.legend(loc="upper left")

    return _draw(name, title, paint, square=True)


def training_plot(name: str, title: str, curve: Sequence[Mapping[str, Any]]) -> Markup:
    """Losses on the left axis, the development Favg3 on the right one."""

    def paint(axes: Axes) -> None:
        epochs = [entry["epoch"] for entry in curve]
        _lines(axes, [(k, epochs, [e.get(n) for e in curve]) for k, n in _LOSSES], marker="o")
        axes.set(xlabel="epoch", ylabel="loss")
        axes.set_ylim(bottom=0)
        other = axes.twinx()
        scores = [entry.get("eval_favg3") for entry in curve]
        other.plot(epochs, scores, color=_LINES[2], linestyle="-.", marker="s", markersize=4, linewidth=2)
        other.set(ylabel="Favg3, development (green)", ylim=(0, 1))
        other.grid(False)
        axes.legend(loc="center right")

    return _draw(name, title, paint)


_LOSSES = (("loss, training", "loss"), ("loss, development", "eval_loss"))
