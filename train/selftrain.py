"""Self-training: saved models label sentences of the corpus that nobody has read, where they are sure.

    python -m train.topical --corpus DIR          # finds them
    python -m train.selftrain MODEL [MODEL ...]   # writes data/selftrained.local.jsonl

A topic on which the models' mean probability is at least CONFIDENCE gets its label, another stays unlabelled.
Yarowsky 1995; Xie et al. 2020.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from train.command import one_sentence_errors
from train.topical import SENTENCES
from wijha.batching import windows
from wijha.classifier import Classifier
from wijha.records import read_rows, write_rows
from wijha.text import key

OUTPUT = Path("data/selftrained.local.jsonl")
CONFIDENCE = 0.9


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    arguments = parser.parse_args()
    with one_sentence_errors():
        texts = [str(row["text"]) for _, row in read_rows(SENTENCES)]
        count = write_rows(label(texts, [Classifier.load(model) for model in arguments.models]), OUTPUT)
        print(f"{count:,} of {len(texts):,} sentences labelled -> {OUTPUT}")


def label(texts: Sequence[str], models: Sequence[Classifier]) -> Iterator[dict[str, Any]]:
    """Training rows for the texts of which the models are sure in at least one topic that is there, or in all."""
    schema = models[0].schema
    for window in windows(tqdm(texts, desc="labelling", unit="sentence")):
        probabilities = np.mean([model.probabilities(window) for model in models], axis=0)
        best, sure = probabilities.argmax(axis=-1), probabilities.max(axis=-1) >= CONFIDENCE
        for text, numbers, certain in zip(window, best, sure, strict=True):
            if certain.all() or (certain & (numbers > 0)).any():
                labels = {
                    topic: schema.label_names[number] if known else ""
                    for topic, number, known in zip(schema.topic_names, numbers, certain, strict=True)
                }
                yield {"id": f"s-{key(text)}", "text": text, **labels, "split": "train"}


if __name__ == "__main__":
    main()
