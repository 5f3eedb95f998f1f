"""Numbers of the report that train.scores has not: curves, calibration, slices."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve

from train.baselines import Baselines
from train.confidence import reliability_bins, risk_curve
from train.data import Example
from train.evaluation import Labelled, confusion_tables, development_thresholds, score
from train.provenance import run_splits
from train.report.scored import Scored
from train.scores import evaluate_counts, intervals, resampled, resampling_weights
from train.tables import FEW
from wijha.classifier import Classifier
from wijha.files import read_json
from wijha.text import normalise

OUTLETS = 12
_WORDS = ((15, "1 to 15 words"), (30, "16 to 30 words"), (50, "31 to 50 words"), (10**9, "51 words or more"))
_YEAR = re.compile(r"(?:19|20)\d\d")
# Cues in the form that wijha.text.normalise gives: alefs folded, no marks.
_NEGATED = re.compile(r"\b[وف]?(?:لا|لم|لن|ليس|ليست|ليسوا|غير|دون|بدون|بلا|عدم|بعدم)\b")
_HEDGED = re.compile(
    r"\b[وف]?(?:قد|ربما|لعل|يبدو|يرجح|ارجح|محتمل|المحتمل|الممكن|يمكن|اذا|لو|شرط|بشرط|شريطه|شريطة|رهن|مرهون|مشروط)\b"
)


def summary(classifier: Classifier, labelled: Labelled, scored: Scored) -> dict[str, Any]:
    """Scores of the model and the baselines: those of evaluation-<name>.json where they are still this model's."""
    path = classifier.folder / f"evaluation-{labelled.name}.json"
    if path.exists():
        kept = read_json(path)
        ours = confusion_tables(scored.counts, scored.schema)
        if kept["source"] == labelled.source and kept["systems"]["model"]["confusion"] == ours:
            return dict(kept)
    train = run_splits(classifier.folder, scored.schema)["train"]
    chosen = development_thresholds(classifier.folder)
    return score(classifier, labelled.examples, Baselines(train, scored.schema), chosen)


def precision_recall(scored: Scored) -> dict[str, dict[str, Any]]:
    """Curves by topic (is it there?) and by label pooled over topics; `average` is the average precision.

    A curve without a positive case has no points and `average` None.
    """
    known = scored.true >= 0
    cases = {}
    for row, topic in enumerate(scored.schema.topics):
        here = known[:, row]
        cases[topic.english or topic.name] = (scored.true[here, row] > 0, 1 - scored.calibrated[here, row, 0])
    for number, label in enumerate(scored.schema.label_names[1:], 1):
        cases[label] = (scored.true[known] == number, scored.calibrated[known][:, number])
    return {name: _curve(positive, value) for name, (positive, value) in cases.items()}


def _curve(positive: np.ndarray, value: np.ndarray) -> dict[str, Any]:
    if not positive.any():
        return {"recall": [], "precision": [], "average": None, "positives": 0}
    precision, recall, _ = precision_recall_curve(positive, value)
    average = float(average_precision_score(positive, value))
    return {"recall": recall, "precision": precision, "average": average, "positives": int(positive.sum())}


def risk_coverage(scored: Scored) -> dict[str, dict[str, Any]]:
    """Share of wrong answers among the surest, for rows and for stances; `area` is the mean risk (AURC).

    A row is as sure as its least sure topic.
    """
    known, sure = scored.true >= 0, scored.calibrated.max(axis=-1)
    stance = known & ((scored.predicted > 0) | (scored.true > 0))
    rows = np.where(known, sure, 1).min(axis=1)
    return {
        "sentences": risk_curve(rows, ~scored.right),
        "topics that are there or seen": risk_curve(sure[stance], scored.wrong_cells[stance]),
    }


def reliability(scored: Scored, probabilities: np.ndarray, topic: int | None = None) -> dict[str, Any]:
    """Confidence against accuracy, and ECE, over labels of `topic` or of all topics."""
    columns = slice(None) if topic is None else slice(topic, topic + 1)
    known = scored.true[:, columns] >= 0
    sure = probabilities[:, columns].max(axis=-1)[known]
    hit = ~scored.wrong_cells[:, columns][known]
    return reliability_bins(sure, hit)


def slices(scored: Scored) -> dict[str, list[dict[str, Any]]]:
    """Scores by outlet, year, length, form ...: title -> rows; a column that the data lacks is left out."""
    return {
        title: rows
        for title, name_of in _slicers(scored.examples).items()
        if len(rows := _slice_rows(scored, [name_of(example) for example in scored.examples])) > 1
    }


def _slicers(examples: Sequence[Example]) -> dict[str, Callable[[Example], str]]:
    outlets: dict[str, int] = defaultdict(int)
    for example in examples:
        outlets[example.fields.get("outlet", "")] += 1
    large = set(sorted((name for name in outlets if name), key=lambda name: (-outlets[name], name))[:OUTLETS])

    def field(name: str) -> Callable[[Example], str]:
        return lambda example: example.fields.get(name) or "not given"

    def outlet(example: Example) -> str:
        name = example.fields.get("outlet", "")
        return name if name in large else "other outlets" if name else "not given"

    return {
        "Outlet": outlet,
        "Year": lambda example: year(example) or "not given",
        "Length": lambda example: next(name for most, name in _WORDS if len(example.text.split()) <= most),
        "Form": field("form"),
        "Line": field("line"),
        "Part": field("part"),
        "Corpus": field("corpus"),
        "Wording": _wording,
    }


def year(example: Example) -> str:
    """Year of a sentence's date, however the date is written (`<=2019-04`: no later than); empty without one."""
    written = example.fields.get("date", "")
    found = _YEAR.search(written)
    return f"{'until ' * written.startswith('<=')}{found[0]}" if found else ""


def _wording(example: Example) -> str:
    text = normalise(example.text)
    found = [name for name, cue in (("negated", _NEGATED), ("hedged", _HEDGED)) if cue.search(text)]
    return " and ".join(found) or "plain"


def _slice_rows(scored: Scored, names: Sequence[str]) -> list[dict[str, Any]]:
    groups, member = np.array(names), np.array(scored.stories)
    rows = []
    for name in sorted(set(names)):
        mine = groups == name
        counts, stories = scored.counts[mine], member[mine].tolist()
        support = counts.sum(axis=(0, 1, 3))
        empty = [label for label, n in zip(scored.schema.label_names[1:], support[1:], strict=True) if not n]
        enough = len(set(stories)) >= FEW
        rows.append(
            {
                "name": name,
                "sentences": int(mine.sum()),
                "stances": int(support[1:].sum()),
                "scores": evaluate_counts(counts, scored.schema),
                "intervals": intervals(resampled(counts, resampling_weights(stories), scored.schema)) if enough else {},
                "empty": empty,
            }
        )
    return rows


def training_curve(folder: Path) -> list[dict[str, Any]]:
    """The Trainer's log of the run that made a model folder, one entry an epoch; empty where it is not there."""
    states = (folder.parent / "checkpoints").glob("checkpoint-*/trainer_state.json")
    latest = max(states, key=lambda path: int(path.parent.name.rpartition("-")[2]), default=None)
    if latest is None:
        return []
    epochs: dict[float, dict[str, Any]] = defaultdict(dict)
    for entry in read_json(latest).get("log_history", []):
        epochs[round(entry.get("epoch", 0), 2)] |= entry
    return [{**entry, "epoch": epoch} for epoch, entry in sorted(epochs.items()) if "eval_loss" in entry]
