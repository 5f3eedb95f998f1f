"""Look after labelled sentences: check them, bring them in and out of annotation tools, compare two readers.

python -m train.corpus check [--frozen]
python -m train.corpus import FILE OUT.jsonl [--map text=headline,political_settlement=ps] [--labels favor=pro]
python -m train.corpus export FILE OUT --format label-studio
python -m train.corpus agreement FIRST SECOND [--output disagreements.jsonl]
python -m train.corpus screen FILE [FILE ...] --output doubtful.local.jsonl
"""

from __future__ import annotations

import argparse
from pathlib import Path

from train.command import command_line, one_sentence_errors
from train.corpus.agreement import compare_files
from train.corpus.check import DATA, check
from train.corpus.formats import import_file, pairs
from train.corpus.screen import screen
from train.corpus.tasks import WRITERS, export_file
from train.data import REAL_NEWS
from wijha.schema import Schema

_SCHEMA = Path("configs/schema.yaml")


def main() -> None:
    """Command line."""
    arguments = _parser().parse_args()
    with one_sentence_errors():
        arguments.command(arguments, Schema.from_yaml(arguments.schema))


def _parser() -> argparse.ArgumentParser:
    parser = command_line(__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    checking = commands.add_parser("check", help="refuse a faulty corpus; write data/report.json and the card's tables")
    checking.add_argument("--data", type=Path, default=DATA, help="folder of the corpus")
    checking.add_argument("--real-news", type=Path, default=REAL_NEWS, help="sentences that the corpus must not hold")
    checking.add_argument("--frozen", action="store_true", help="change no file; fail when one would change")
    checking.set_defaults(command=lambda a, schema: check(schema, a.data, a.real_news, a.frozen))

    bringing = commands.add_parser("import", help="CSV, JSONL, Parquet, Label Studio JSON, doccano JSONL -> our JSONL")
    _files(bringing, "file", "out")
    bringing.add_argument("--map", default="", help="our column=theirs, comma-separated: text=headline")
    bringing.add_argument("--labels", default="", help="our label=theirs, comma-separated: favor=pro,against=con")
    bringing.add_argument("--annotator", default="", help="whose Label Studio annotations, where tasks have several")
    bringing.add_argument("--missing-is-absent", action="store_true", help="a topic left open is not there")
    bringing.set_defaults(
        command=lambda a, schema: import_file(
            a.file, a.out, schema, pairs(a.map, "--map"), pairs(a.labels, "--labels"), a.annotator, a.missing_is_absent
        )
    )

    sending = commands.add_parser("export", help="tasks for annotation, in Arabic")
    _files(sending, "file", "out")
    sending.add_argument("--format", choices=sorted(WRITERS), required=True)
    sending.add_argument("--with-labels", action="store_true", help="show the labels; a second reader should not see")
    sending.set_defaults(command=lambda a, schema: export_file(a.file, a.out, schema, a.format, a.with_labels))

    comparing = commands.add_parser("agreement", help="two annotators of the same sentences: percent, Cohen's kappa")
    _files(comparing, "first", "second")
    comparing.add_argument("--output", type=Path, help="where the disagreements go, as JSONL")
    comparing.add_argument(
        "--missing-is-absent", action="store_true", help="a topic left open beside a label is not there"
    )
    comparing.set_defaults(
        command=lambda a, schema: compare_files(a.first, a.second, schema, a.output, a.missing_is_absent)
    )

    screening = commands.add_parser("screen", help="labels that look wrong to cross-validated predictions")
    screening.add_argument("files", type=Path, nargs="+", help="labelled files with their text")
    screening.add_argument("--output", type=Path, required=True, help="where the doubtful sentences go, as JSONL")
    screening.add_argument("--share", type=float, default=0.05, help="share of the sentences to read again")
    screening.set_defaults(command=lambda a, schema: screen(a.files, a.output, schema, a.share))

    for command in (checking, bringing, sending, comparing, screening):
        command.add_argument("--schema", type=Path, default=_SCHEMA, help="topics and labels")
    return parser


def _files(parser: argparse.ArgumentParser, *names: str) -> None:
    for name in names:
        parser.add_argument(name, type=Path)


if __name__ == "__main__":
    main()
