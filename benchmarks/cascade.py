"""What the second of two models costs: texts to probabilities in sentences/s, by each of them alone and by both.

    python -m benchmarks.cascade [MODEL] [--archive FILE] [--rows 1024]

MODEL is a folder with a faster model in first/. How much both are asked depends on the text: on data/written.jsonl,
of which most is about the topics, and FILE, sentences of an archive as they come (.txt, .jsonl, .csv, .parquet).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.common import TEXT, rate, report, texts
from train.command import command_line, one_sentence_errors
from wijha import Classifier
from wijha.arguments import positive
from wijha.classifier import default_model, in_doubt, softmax
from wijha.errors import InputError


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("model", type=Path, nargs="?", default=default_model(), help="default: %(default)s")
    parser.add_argument("--archive", type=Path, help="sentences of an archive, in the column text")
    parser.add_argument("--rows", type=positive, default=1024, help="sentences of each text")
    arguments = parser.parse_args()
    with one_sentence_errors():
        kinds = {TEXT.name: texts(arguments.rows)}
        if arguments.archive:
            kinds["an archive"] = texts(arguments.rows, arguments.archive)
        run(Classifier.load(arguments.model), kinds)


def run(both: Classifier, kinds: dict[str, list[str]]) -> None:
    """Time every way on every kind of text and report. Raises InputError for a folder with one model."""
    if len(both.readers) == 1:
        raise InputError(f"expected two models in {both.folder}, found no first/; see train.release --first")
    first, last = (Classifier(reader, both.schema, {}) for reader in both.readers)
    found: list[dict[str, Any]] = []
    for kind, rows in kinds.items():
        asked = in_doubt(softmax(first.logits(rows))).mean()
        ways = {"the folder's own": (last, ""), "both": (both, f"{asked:.1%}"), "first/": (first, "")}
        for way, (classifier, share) in ways.items():
            speed = rate(classifier, rows)
            found.append({"text": kind, "model": way, "computed by": classifier.runtime_name, "sentences/s": speed})
            found[-1] |= {"read twice": share}
            print(found[-1], flush=True)
    report("cascade", "Two models", "sentences/s", found, lambda row, first: row["sentences/s"] / first["sentences/s"])


if __name__ == "__main__":
    main()
