"""Fill the number tables of README.md, configs/, data/ and docs/ from files that runs wrote: no number is typed.

python -m train.documents                               # README: the shipped model; configs/README: configs/results
python -m train.documents runs/default/model ...        # first take the scores of these runs into configs/results
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from train.card import ARCHIVE, archive_table, markdown_table, stance_table
from train.command import command_line, one_sentence_errors
from train.compare import table as comparison
from train.leave_out import table as left_out
from train.release import SHIPPED
from train.tables import HEADLINE, fill, markdown, measurements
from train.targets import RESULT as ASKED
from train.targets import table as asked_table
from train.tune import table as tuned
from wijha.classifier import read_schema
from wijha.errors import InputError
from wijha.files import read_json, write_json
from wijha.manifest import FIRST

RESULTS = Path("configs/results")
SPEED = Path("benchmarks/results/inference.json")
SPEED_BOTH = Path("benchmarks/results/inference-both.json")
CASCADE = Path("benchmarks/results/cascade.json")
PUBLIC = ("ans", "mawqif")
EVALUATION = "evaluation-validation.json"


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("models", type=Path, nargs="*", help="model folders whose scores to take into configs/results")
    arguments = parser.parse_args()
    with one_sentence_errors():
        for model in arguments.models:
            keep_result(model)
        for document, made in contents().items():
            fill(document, made)


def contents() -> dict[Path, dict[str, str]]:
    """What stands between the markers of each document."""
    runs = {"results": results_table(), "compared": compared_tables(), "left-out": left_out_tables()}
    costs = {"cost": SPEED, "cost-both": SPEED_BOTH}
    return {
        Path("README.md"): blocks(),
        Path("configs/README.md"): runs | {"tuned": tuned_tables()},
        Path("data/README.md"): {"parts": parts_table()},
        Path("docs/cluster.md"): {name: cost_line(read_json(path)) for name, path in costs.items() if path.exists()},
    }


def keep_result(model: Path) -> Path:
    """Copy a run's settings and its scores on real news, and by train.targets, into configs/results, a file a run."""
    try:
        run = read_json(model / "metrics.json")["run"]
        real = read_json(model / EVALUATION)
    except OSError as error:
        raise InputError(
            f"expected {model}/metrics.json and {EVALUATION}, found no {error.filename}; evaluate it first"
        ) from error
    systems = {
        name: {
            "scores": {key: s["scores"][key] for key in HEADLINE},
            "intervals": {key: s["intervals"][key] for key in HEADLINE},
        }
        for name, s in real["systems"].items()
    }
    both = "-pair" if FIRST in run["config"] else ""
    name = f"{Path(run['config']['output']).name}{both}-seed{run['config']['seed']}"
    path = RESULTS / f"{name}.json"
    kept = {key: real.get(key) for key in ("sentences", "computed_by")}
    write_json(path, {"run": run, **kept, "systems": systems})
    if (model / ASKED).exists():
        write_json(RESULTS / "targets" / path.name, read_json(model / ASKED))
    return path


def results_table() -> str:
    """Every kept run, seeds of one recipe together: mean, least and greatest over the seeds."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(RESULTS.glob("*.json")):
        groups.setdefault(path.stem.rpartition("-seed")[0], []).append(read_json(path))
    rows = []
    for name, runs in groups.items():
        cells = []
        for key in HEADLINE:
            values = [run["systems"]["model"]["scores"][key] for run in runs]
            spread = f" ({min(values):.3f}-{max(values):.3f})" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.3f}{spread}")
        trained = runs[0]["run"]["sentences"]["train"]
        rows.append([name, str(len(runs)), f"{trained:,}", *cells])
    return markdown(["run", "seeds", "training sentences", *HEADLINE.values()], rows)


def compared_tables(*names: str) -> str:
    """What `train.compare` wrote, a table each: of the configs of these names, or of all."""

    def titled(name: str, result: dict[str, Any]) -> str:
        on = result["evaluated_on"]
        return f"`configs/compare/{name}.yaml`, {on['rows']:,} sentences of {on['file']}:\n\n{comparison(result)}\n"

    return _each_of("compare", titled, names)


def left_out_tables() -> str:
    """What `train.leave_out` wrote, a table each."""

    def titled(name: str, result: dict[str, Any]) -> str:
        used = result["config"]
        recipe, _, by = name.rpartition("-")
        data = " and ".join(used["data"])
        title = f"`{recipe}` by {by}: {data}, {used['encoder']}, {used['epochs']} epochs, seed {used['seed']}:"
        return f"{title}\n\n{left_out(result['groups'])}\n"

    return _each_of("leave-out", titled)


def tuned_tables() -> str:
    """What `train.tune` wrote, a table each."""

    def titled(name: str, result: dict[str, Any]) -> str:
        used = result["config"]
        data = " and ".join([*used["data"], *used["optional_data"]])
        return f"`{name}`: {used['share']:.0%} of the stories of {data}, {used['epochs']} epochs:\n\n{tuned(result)}\n"

    return _each_of("tune", titled)


def _each_of(folder: str, titled: Callable[[str, dict[str, Any]], str], names: Sequence[str] = ()) -> str:
    """`titled` of the name and the content of every result in a folder of configs/results, or of those of `names`."""
    paths = [path for path in sorted((RESULTS / folder).glob("*.json")) if not names or path.stem in names]
    return "\n".join(titled(path.stem, read_json(path)) for path in paths)


def parts_table() -> str:
    """configs/default.yaml trained on the written part alone, configs/release.yaml on both parts."""
    bare, both = RESULTS / "default-seed13.json", RESULTS / "release-seed13.json"
    if not (bare.exists() and both.exists()):
        return "Not run yet."
    systems = {}
    for name, path in {"written part alone": bare, "written and annotated part": both}.items():
        result = read_json(path)
        trained = result["run"]["sentences"]["train"]
        systems[f"{name}: {trained:,} training sentences"] = result["systems"]["model"]
    return markdown_table({"sentences": result["sentences"], "systems": systems})


def blocks() -> dict[str, str]:
    """The tables of README.md by the name of their block."""
    made = {"public": compared_tables(*PUBLIC)}
    if (ours := SHIPPED / EVALUATION).exists():
        result = read_json(ours)
        made |= {"stances": stance_table(result, read_schema(SHIPPED)), "shipped": shipped_table(result)}
    if (bare := RESULTS / "default-seed13.json").exists():
        made["bare"] = markdown_table(read_json(bare))
    for name, path in {"speed": SPEED, "speed-both": SPEED_BOTH, "cascade": CASCADE}.items():
        if path.exists():
            made[name] = speed_table(read_json(path))
    if (asked := SHIPPED / ASKED).exists():
        made["asked"] = asked_table(read_json(asked))
    if (SHIPPED / ARCHIVE).exists():
        made["archive"] = archive_table(SHIPPED / ARCHIVE)
    return made


def shipped_table(result: dict[str, Any]) -> str:
    """The scores of the model that ships, beside them those of its faster one alone."""
    ours, *others = result["systems"].items()
    if (alone := SHIPPED / FIRST / EVALUATION).exists():
        others = [("first/ alone", read_json(alone)["systems"]["model"]), *others]
    table = markdown_table(result | {"systems": dict([ours, *others])})
    return f"{table}\n\nComputed by {result['computed_by']}."


def speed_table(result: dict[str, Any]) -> str:
    """The rows of a benchmark, and the machine that they were measured on."""
    here = result["machine"]
    facts = f"{here['cores']} cores of {here['processor']} ({', '.join(here['features'])})"
    return f"{measurements(result['rows'])}\n\n{facts}"


def cost_line(result: dict[str, Any]) -> str:
    """Core-hours of a thousand million rows at the best rate of benchmarks/inference.py."""
    ours = [row for row in result["rows"] if row["way"].startswith("wijha")]
    best = max(ours, key=lambda row: row["rows/s"])
    cores = result["machine"]["cores"]
    hours = 1e9 / best["rows/s"] * cores / 3600
    return (
        f"`{best['way']}` made {best['rows/s']:,.0f} rows/s on {cores} cores of {result['machine']['processor']}: "
        f"10^9 rows are {hours:,.0f} core-hours, and cost that many times the price of a core-hour."
    )


if __name__ == "__main__":
    main()
