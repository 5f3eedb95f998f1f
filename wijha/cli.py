"""The command line: wijha predict IN... OUT, wijha verify IN... OUT, info, report, sample, estimate, demo."""

from __future__ import annotations

import argparse
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wijha import __version__, archive, demo, estimate, sample
from wijha.arguments import positive
from wijha.batching import WINDOW
from wijha.errors import InputError, told
from wijha.runtime import RUNTIMES

if TYPE_CHECKING:
    from wijha.paths import Pair, Places

_FORMATS = ".txt, .jsonl, .csv (each also .gz, .xz, .zst) or .parquet"
_NOTES = """\
columns:
  Behind those of the input come <topic>_stance, the likeliest label, and
  <topic>_score, how likely it is, from 0 to 1; --articles adds document and
  sentence. A text is read up to the model's length (128 tokens of the one
  that ships); the job counts longer ones, --articles splits them.

bad rows:
  Broken JSON or a name twice in it, no text or far too long a one, a wrong
  number of cells, not UTF-8, a column that is to be added: such rows go to
  OUT.quarantine.jsonl with their line and the reason, and the job goes on. A
  quote in a .csv that nothing closes swallows the rows up to the next quote:
  they are set aside as one bad row, or are one text, of which the last lines
  of the job tell.

a job that was stopped:
  Finished chunks wait in OUT.job/ until all are there; after a kill, --resume
  goes on and gives the very same bytes. Where one input is damaged, mend it
  and use --resume: the rows of the others are kept.

a job that is done:
  OUT.receipt.json says what it was made of (the model's sha256 as `wijha
  info` prints it). With the same model and options a later --resume
  classifies what is new or changed in IN, by size, time and first MiB, and
  leaves the rest. A file at OUT that the receipt does not name, that another
  model or other options made, or that was changed since, is written over with
  --restart only, or by the job that goes on.

spreadsheets:
  A text cell of a .csv output that begins with = + - @ (fullwidth too), a tab
  or a line end and is no plain number gets an apostrophe in front, so that
  none runs it; lists, objects, true and false are JSON there.

exit codes:
  0 done, 2 something is not as expected, 130 and 143 stopped by Ctrl-C and
  SIGTERM
"""


def main(words: list[str] | None = None) -> int:
    """Run a command; returns the exit code: 0 done, 2 not as expected, 128 + n stopped by signal n."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here reaches for a hub
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # where Arabic names cannot be shown
    arguments = parser().parse_args(words)
    try:
        return int(arguments.command(arguments) or 0)
    except BrokenPipeError:
        return 0
    except (InputError, OSError) as error:
        if not (sentence := told(error)):
            raise
        print(f"error: {sentence}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="wijha", description="Topics and stances of Arabic news sentences.")
    top.add_argument("--version", action="version", version=f"wijha {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "predict",
        help="classify files",
        description="Classify every row of files.",
        epilog=_NOTES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_files(command)
    command.add_argument(
        "--towards",
        metavar="TARGET",
        help="ask for the stance towards this alone, any thing in a few words: target_stance, target_score",
    )
    command.add_argument("--strict", action="store_true", help="stop at the first bad row instead of setting it aside")
    leftover = command.add_mutually_exclusive_group()
    leftover.add_argument("--resume", action="store_true", help="go on, or do what is new after a finished job")
    leftover.add_argument("--restart", action="store_true", help="begin again, and write over what is there at the end")
    command.add_argument(
        "--chunk-rows", type=positive, help=f"rows of a chunk, of which a kill can lose three (default: {WINDOW})"
    )
    command.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="ray: .parquet folders on many machines (docs/cluster.md)",
    )
    command.add_argument("--workers", type=positive, help="model copies of --engine ray (default: 1)")
    command.set_defaults(command=predict)
    proof = commands.add_parser(
        "verify",
        help="prove that no row is lost",
        description="Prove that every row of IN stands exactly once in OUT, with stances, or in OUT.quarantine.jsonl. "
        "Compared are place, text and, where there, id, document and sentence; not which stances.",
    )
    _add_files(proof)
    proof.set_defaults(command=verify)
    information = commands.add_parser("info", help="say what a model is", description="Say what a model is.")
    information.add_argument(
        "--check", action="store_true", help="prove that it is what was saved: files, weights, token ids, logits"
    )
    information.set_defaults(command=info)
    for each in (command, information):
        each.add_argument("--model", type=Path, help="a model folder (default: the one that ships)")
        each.add_argument(
            "--runtime",
            default="auto",
            help=f"what computes: {', '.join(RUNTIMES)} (default: auto, the fastest that is there)",
        )
    for module in (archive, sample, estimate, demo):
        module.add_parser(commands)
    return top


def _add_files(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "sources", metavar="IN", nargs="+", help=f"{_FORMATS}; a folder, a quoted glob or several files are read too"
    )
    command.add_argument(
        "target", metavar="OUT", help=".jsonl, .csv or .parquet; a folder when IN names several or it ends in /"
    )
    command.add_argument("--text-column", default="text", help="the column to classify (default: text)")
    command.add_argument("--articles", action="store_true", help="split each row into sentences first")
    command.add_argument(
        "--format",
        choices=("jsonl", "csv", "parquet"),
        help="format of the output (default: by the suffix of OUT; in a folder OUT as read)",
    )


def predict(arguments: argparse.Namespace) -> int:
    """wijha predict; returns the exit code."""
    from wijha.jobs import Interrupted, interruptible  # torch is slow to import: --help must not wait for it

    try:
        with interruptible():
            _predict(arguments)
    except Interrupted as stop:
        print(stop.note, file=sys.stderr)
        return 128 + stop.signal
    return 0


def _predict(arguments: argparse.Namespace) -> None:
    from wijha.chunks import SPANNING, Options
    from wijha.classifier import Classifier
    from wijha.jobs import run
    from wijha.paths import left_out

    if arguments.engine == "ray":
        from wijha.ray_engine import predict_with_ray

        predict_with_ray(arguments)
        return
    if arguments.workers:
        raise InputError("expected no --workers with --engine local, which uses every core, found it; drop it")
    classifier = Classifier.load(arguments.model, runtime=arguments.runtime, towards=arguments.towards)
    options = Options(arguments.text_column, arguments.articles, arguments.strict, arguments.chunk_rows or WINDOW)
    pairs, places = _paired(arguments)
    passed_over = left_out(arguments.sources, places.out)
    counts = run(pairs, places, classifier, options, arguments.resume, arguments.restart)
    files = f" of {len(pairs):,} files" if len(pairs) > 1 else ""
    how = f"({classifier.runtime_name}, {classifier.folder}){passed_over}"
    before = f"; done before: {counts.kept:,} of {len(pairs):,} inputs" if counts.kept else ""
    print(f"{counts.rows_out:,} rows{files} -> {places.out} {how}{before}")
    if counts.quarantined:
        print(f"{counts.quarantined:,} of {counts.rows_in:,} input rows set aside in {places.quarantine}")
    if counts.spanning:
        more = f"more than {SPANNING} lines each, the first {counts.spanning_first}"
        print(f"{counts.spanning:,} rows reach over {more}; check the quotes")
    if counts.cut:
        advice = "" if options.articles else "; --articles splits them"
        print(f"{counts.cut:,} texts are longer than the model reads ({classifier.longest} tokens){advice}")


def _paired(arguments: argparse.Namespace) -> tuple[list[Pair], Places]:
    """What goes where; an OUT that ends in a slash is a folder."""
    from wijha.paths import Places, pair_up

    out, folder = Path(arguments.target), arguments.target.endswith(os.sep)
    return pair_up(arguments.sources, out, arguments.format, folder), Places(out)


def verify(arguments: argparse.Namespace) -> None:
    """wijha verify."""
    from wijha.chunks import Options
    from wijha.verify import verify as prove

    counts = prove(*_paired(arguments), Options(arguments.text_column, arguments.articles))
    print(
        f"{counts.rows_in:,} input rows: each once, as {counts.rows_out:,} output rows "
        f"and {counts.quarantined:,} quarantined"
    )


def info(arguments: argparse.Namespace) -> None:
    """wijha info."""
    from wijha.classifier import Classifier
    from wijha.identity import model_state

    classifier = Classifier.load(arguments.model, runtime=arguments.runtime)
    print(f"model    {classifier.folder}\nruntime  {classifier.runtime_name}")
    print(f"sha256   {model_state(classifier.folder)}")
    print(f"labels   {', '.join(classifier.schema.label_names)}")
    for topic in classifier.schema.topics:
        print(f"topic    {topic.name}: {topic.target}")
    if classifier.can_be_asked:
        print("asked    for the stance towards any target: wijha predict --towards TARGET")
    if arguments.check:
        from wijha.golden import check_model

        for reader in classifier.readers:
            print(f"reader   {reader.folder}")
            for line in check_model(reader):
                print(line)


if __name__ == "__main__":
    sys.exit(main())
