"""Label-noise screening: which labels cross-validated predictions find least likely, to be read again by somebody."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from cleanlab.rank import get_label_quality_scores
from sklearn.model_selection import GroupKFold
from tqdm import tqdm

from train.baselines import TfidfModel
from train.data import UNLABELLED, Example, label_numbers, load_examples
from wijha.errors import InputError
from wijha.schema import Schema
from wijha.writing import write_rows

FOLDS = 4


def screen(files: Sequence[Path], output: Path, schema: Schema, share: float) -> int:
    """Write the `share` of the sentences with the least likely labels, worst first; returns how many.

    A sentence's quality is that of its least likely topic: the probability that a model trained on other stories gives
    its label (self-confidence; Northcutt et al. 2021, Confident learning, arXiv 1911.00068); 1 where those have no
    labels of the topic.
    """
    if not 0 < share <= 1:
        raise InputError(f"expected --share in (0, 1], got {share}; 0.05 is a good beginning")
    examples = [example for path in files for example in load_examples(path, schema)]
    if len({example.story for example in examples}) < FOLDS:
        raise InputError(f"expected sentences of at least {FOLDS} stories, got fewer; give more data")
    true, guessed = label_numbers(examples, schema), out_of_fold(examples, schema)
    quality = np.ones(true.shape)
    for topic in range(true.shape[1]):
        judged = (true[:, topic] != UNLABELLED) & guessed[:, topic].any(axis=-1)
        if judged.any():
            quality[judged, topic] = get_label_quality_scores(true[judged, topic], guessed[judged, topic])
    worst = quality.min(axis=1).argsort(kind="stable")[: round(share * len(examples))]
    count = write_rows((_row(examples[i], quality[i], guessed[i], schema) for i in worst), output)
    print(f"{count:,} of {len(examples):,} sentences to read again -> {output}")
    return count


def out_of_fold(examples: Sequence[Example], schema: Schema) -> np.ndarray:
    """Probabilities (examples, topics, labels), each by a model that saw no sentence of the same story."""
    guessed = np.zeros((len(examples), len(schema.topics), len(schema.labels)))
    folds = GroupKFold(FOLDS).split(examples, groups=[example.story for example in examples])
    for known, unknown in tqdm(folds, total=FOLDS, desc="screening", unit="fold"):
        model = TfidfModel([examples[i] for i in known], schema, class_weight=None)
        guessed[unknown] = model.probabilities([examples[i].text for i in unknown])
    return guessed


def _row(example: Example, quality: np.ndarray, guessed: np.ndarray, schema: Schema) -> dict[str, Any]:
    """The sentence with its labels, the topic in doubt and what the model would say of it."""
    topic = int(quality.argmin())
    return {
        "id": example.id,
        "text": example.text,
        **example.labels,
        "doubt": schema.topic_names[topic],
        "guess": schema.label_names[int(guessed[topic].argmax())],
        "quality": round(float(quality[topic]), 4),
    }
