"""Write one self-contained HTML page on a saved model.

    python -m train.report MODEL                          # -> MODEL/report.html
    python -m train.report MODEL --against OTHER          # with what got better and worse
    python -m train.report MODEL --data FILE              # -> MODEL/report-<name of FILE>.html; FILE: .jsonl, .csv or
                                                          #    .parquet with text and a column a topic

Without --data: what train.evaluation scores, as the page says. The page
holds the sentences that it shows: one on real news is not for publishing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from train.command import command_line, one_sentence_errors
from train.evaluation import labelled_sentences
from train.provenance import run_of
from train.report import measures, plots
from train.report.compare import compare
from train.report.errors import EXPLAINED, SHOWN, challenge_pairs, mistakes
from train.report.scored import Scored, score_sentences
from train.tables import FEW, HEADLINE
from wijha.classifier import Classifier, read_temperatures
from wijha.files import write_text
from wijha.pages import render

TEMPLATES = Path(__file__).parent / "templates"


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--against", type=Path, metavar="OTHER", help="a second model folder to compare with")
    parser.add_argument("--data", type=Path, metavar="FILE", help="labelled sentences")
    arguments = parser.parse_args()
    with one_sentence_errors():
        print(f"report: {report(arguments.model, arguments.against, arguments.data)}")


def report(folder: Path, against: Path | None = None, data: Path | None = None) -> Path:
    """Write MODEL/report.html, of `data` another, and return its path. Raises InputError for what is not as expected,
    before it does."""
    classifier = Classifier.load(folder)
    other = Classifier.load(against) if against else None
    labelled = labelled_sentences(folder, data, classifier.schema)
    scored = score_sentences(classifier, labelled.examples)
    comparison = None
    if other:
        comparison = {"other": str(against), **compare(scored, score_sentences(other, labelled.examples))}
    page = render(
        "report.html.jinja",
        TEMPLATES,
        script=(TEMPLATES / "report.js").read_text(encoding="utf-8"),
        title=f"Report on {folder}",
        labelled=labelled,
        topics=classifier.schema.topics,
        labels=classifier.schema.label_names,
        headline=HEADLINE,
        summary=measures.summary(classifier, labelled, scored),
        calibration=calibration(scored, read_temperatures(folder)),
        charts=charts(scored, folder),
        slices=measures.slices(scored),
        few=FEW,
        mistakes=mistakes(scored, classifier),
        wrong=int(scored.wrong_cells.sum()),
        limits={"explained": EXPLAINED, "shown": SHOWN},
        challenge=challenge_pairs(classifier),
        comparison=comparison,
        run=run_settings(folder),
    )
    target = folder / (f"report-{labelled.name}.html" if data else "report.html")
    write_text(target, page)
    return target


def charts(scored: Scored, folder: Path) -> dict[str, Any]:
    """Every plot as SVG; None where there is nothing to plot."""
    curves = measures.precision_recall(scored)
    drawn = {name: curve for name, curve in curves.items() if curve["positives"]}
    by_label = {name: curve for name, curve in drawn.items() if name in scored.schema.label_names}
    by_topic = {name: curve for name, curve in drawn.items() if name not in by_label}
    risks = {name: curve for name, curve in measures.risk_coverage(scored).items() if curve["area"] is not None}
    both = [measures.reliability(scored, probabilities) for probabilities in (scored.raw, scored.calibrated)]
    training = measures.training_curve(folder)
    draw = plots.precision_recall_plot
    return {
        "missing": [name for name, curve in curves.items() if not curve["positives"]],
        "topics": draw("topics", "Precision and recall of topics", by_topic) if by_topic else None,
        "labels": draw("labels", "Precision and recall of stances", by_label) if by_label else None,
        "risk": plots.risk_plot("risk", "Risk and coverage", risks),
        "reliability": plots.reliability_plot("reliability", "Reliability before and after calibration", *both),
        "training": plots.training_plot("training", "Training curve", training) if training else None,
    }


def calibration(scored: Scored, temperatures: dict[str, float]) -> list[dict[str, Any]]:
    """Temperature and expected calibration error before and after it, by topic and over all."""
    topics = scored.schema.topics
    rows = [(topic.english or topic.name, temperatures.get(topic.name, 1.0), n) for n, topic in enumerate(topics)]
    return [
        {
            "name": name,
            "temperature": temperature,
            "before": measures.reliability(scored, scored.raw, topic)["ece"],
            "after": measures.reliability(scored, scored.calibrated, topic)["ece"],
        }
        for name, temperature, topic in [*rows, ("all", None, None)]
    ]


def run_settings(folder: Path) -> dict[str, Any]:
    """What metrics.json says of the run: settings, sizes, versions; empty where it is not there."""
    return run_of(folder) if (folder / "metrics.json").exists() else {}


if __name__ == "__main__":
    main()
