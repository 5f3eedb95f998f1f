"""Scores as text tables for the screen, and tables put into documents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wijha.errors import InputError
from wijha.files import write_text

HEADLINE = {
    "topic_micro_f1": "topic micro-F1",
    "topic_macro_f1": "topic macro-F1",
    "favg2": "Favg2",
    "favg3": "Favg3",
    "exact_rows": "rows right",
}

FEW = 10
"""Stories below which an interval says little."""

SCORES = {**HEADLINE, "macro_f1": "macro-F1", "favg2_by_topic": "Favg2, mean of targets"}


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join([_line(head), "|---" * len(head) + "|", *map(_line, rows)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def fill(path: Path, contents: Mapping[str, str]) -> None:
    """Replace what stands between `<!-- NAME -->` and `<!-- /NAME -->` in a document."""
    write_text(path, filled(path, contents))


def filled(path: Path, contents: Mapping[str, str]) -> str:
    """The document with other contents between its markers. Raises InputError where a name has not one pair of them."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for name, content in contents.items():
        text, found = re.subn(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda marks, content=content: f"{marks[1]}{content}\n{marks[2]}",
            text,
            flags=re.DOTALL,
        )
        if found != 1:
            raise InputError(
                f"expected one <!-- {name} --> and after it one <!-- /{name} --> in {path}, found {found}; put them in"
            )
    return text


def between(value: float, interval: Sequence[float]) -> str:
    """A score with its interval: `0.812 (0.790-0.835)`."""
    return f"{value:.3f} ({interval[0]:.3f}-{interval[1]:.3f})"


def measurements(rows: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table of what was measured: a column for each key, in the order in which the rows bring them."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return markdown(columns, [[cell(row.get(name, "")) for name in columns] for row in rows])


def cell(value: Any) -> str:
    """A value of any kind in a table: numbers with as many digits as a measurement deserves, lists word by word."""
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.4g}"
    return str(value)


def score_table(result: dict[str, Any], title: str) -> str:
    """The headline scores of every system with 95 % intervals, then the model's scores by topic."""
    systems = result["systems"]
    width = max(map(len, systems))
    lines = [title, "", " " * width + "".join(f"  {name:>18}" for name in HEADLINE.values())]
    for name, system in systems.items():
        cells = [_with_interval(system["scores"][key], system["intervals"][key]) for key in HEADLINE]
        lines.append(f"{name:<{width}}" + "".join(f"  {each:>18}" for each in cells))
    return "\n".join([*lines, "", *topic_lines(systems["model"]), "", *remarks(result)])


def remarks(result: dict[str, Any]) -> list[str]:
    """What the sentences lack, the model against each baseline, calibration and what abstaining buys, a line each."""
    lines, ours = lacking(result), result["systems"]["model"]["scores"]
    for name, minus in result["model_minus"].items():
        theirs = result["systems"][name]["scores"]
        gains = [
            f"{HEADLINE[key]} {_with_span(ours[key] - theirs[key], minus[key]['interval'])}"
            for key in ("topic_micro_f1", "favg3")
        ]
        rows = f"rows right by McNemar's test, two-sided, {p_value(minus['mcnemar_p'])}"
        lines.append(f"model - {name}: {', '.join(gains)}, {rows}")
    whole = result["systems"]["model"]["stories_right"]
    lines.append(f"in {whole:.1%} of the stories every sentence is right (of contrast pairs: both)")
    if "computed_by" in result:  # older results do not say
        lines.append(f"computed by {result['computed_by']}")
    sure = result["confidence"]
    for where, name in (("over all labels", "ece"), ("over those of topics that it sees", "ece_seen")):
        if f"{name}_after" in sure:  # older results lack the second
            before, after = sure[f"{name}_before"], sure[f"{name}_after"]
            lines.append(f"calibration error (ECE) {where} {before:.3f} before, {after:.3f} after temperatures")
    for row in sure["abstaining_rows"]:
        if row.get("accuracy") is not None:  # older ones chose their thresholds on the very rows
            kept = f"no score below {row['threshold']:.3f}: {row['coverage']:.1%} of the rows"
            right = f"{row['accuracy']:.1%} of them right (set for {row['right']:.0%} on {sure['chosen_on']})"
            lines.append(f"{kept}, {right}")
    return lines


def lacking(result: dict[str, Any]) -> list[str]:
    """Why the scores say less than they seem to: stances and topics that no sentence has, few stories."""
    system, lines = result["systems"]["model"], []
    tables = np.array(list(system["confusion"].values()))
    true = dict(zip(_stances(system)[1:], tables.sum(axis=(0, 2))[1:], strict=True))
    if none := [label for label, count in true.items() if not count]:
        lines.append(f"no sentence here is {' or '.join(none)}: Favg2 and Favg3 count such an F1 as 0")
    there = dict(zip(system["confusion"], tables[:, 1:].sum(axis=(1, 2)), strict=True))
    if none := [topic for topic, count in there.items() if not count]:
        lines.append(f"no sentence here has {' or '.join(none)}: topic macro-F1 counts such an F1 as 0")
    if result.get("stories", FEW) < FEW:  # older results do not count them
        lines.append(f"only {result['stories']} stories, which the intervals and p are drawn from: they say little")
    return lines


def _stances(system: dict[str, Any]) -> list[str]:
    """`present` and the stances, as the scores of a topic name them."""
    first = next(iter(system["confusion"]))
    return [name.split(".")[1] for name in system["scores"] if name.startswith(f"{first}.") and name.endswith(".f1")]


def _with_span(difference: float, interval: tuple[float, float]) -> str:
    return f"{difference:+.3f} [{interval[0]:+.3f} {interval[1]:+.3f}]"


def p_value(value: float) -> str:
    """`p = 0.031`, or that it is less than three digits show."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def topic_lines(system: dict[str, Any]) -> list[str]:
    """By topic: presence F1, then F1 of each stance."""
    scores, topics, stances = system["scores"], list(system["confusion"]), _stances(system)
    width = max(map(len, topics))
    lines = [f"{'F1 of the model':<{width}}" + "".join(f"  {stance:>9}" for stance in stances)]
    for topic in topics:
        lines.append(f"{topic:<{width}}" + "".join(f"  {scores[f'{topic}.{stance}.f1']:>9.3f}" for stance in stances))
    return lines


def _with_interval(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.3f} [{interval[0]:.3f} {interval[1]:.3f}]"
