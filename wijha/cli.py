"""The command line: wijha predict IN OUT, wijha info."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from wijha.errors import InputError


def main(words: list[str] | None = None) -> int:
    """Run a command; returns the exit code: 0 done, 2 something given is not as expected."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here reaches for a hub
    arguments = parser().parse_args(words)
    try:
        arguments.command(arguments)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 0
    return 0


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="wijha", description="Topics and stances of Arabic news sentences.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("predict", help="classify a file", description="Classify every row of a file.")
    command.add_argument("source", metavar="IN", type=Path, help=".txt, .jsonl, .csv or .parquet")
    command.add_argument("target", metavar="OUT", type=Path, help=".jsonl, .csv or .parquet")
    command.add_argument("--text-column", default="text", help="the column to classify (default: text)")
    command.add_argument("--articles", action="store_true", help="split each row into sentences first")
    command.set_defaults(command=predict)
    information = commands.add_parser("info", help="say what a model is", description="Say what a model is.")
    information.set_defaults(command=info)
    for each in (command, information):
        each.add_argument("--model", type=Path, help="a model folder (default: the one that ships)")
    return top


def predict(arguments: argparse.Namespace) -> None:
    """wijha predict."""
    from wijha.classifier import Classifier  # torch is slow to import: --help must not wait for it
    from wijha.predict import predict_file

    classifier = Classifier.load(arguments.model)
    count = predict_file(arguments.source, arguments.target, classifier, arguments.text_column, arguments.articles)
    print(f"{count:,} rows -> {arguments.target} ({classifier.runtime.name}, {classifier.folder})")


def info(arguments: argparse.Namespace) -> None:
    """wijha info."""
    from wijha.classifier import Classifier

    classifier = Classifier.load(arguments.model)
    print(f"model    {classifier.folder}\nruntime  {classifier.runtime.name}")
    print(f"labels   {', '.join(classifier.schema.label_names)}")
    for topic in classifier.schema.topics:
        print(f"topic    {topic.name}: {topic.target}")


if __name__ == "__main__":
    sys.exit(main())
