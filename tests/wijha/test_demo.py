"""wijha demo without a browser: what it shows, what it refuses, what it says without Gradio."""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from pathlib import Path

import pytest

from wijha import Classifier, InputError, demo

ROOT = Path(__file__).resolve().parents[2]
ARTICLE = 'رفضت الفصائل الهدنة في حلب. <img src=x onerror="document.title=1">\n=1+1 قال'


def test_sentences_are_marked_as_text(model: Path) -> None:
    predictions = demo.classified(ARTICLE, Classifier.load(model))
    assert [prediction.text for prediction in predictions] == [
        "رفضت الفصائل الهدنة في حلب.",
        '<img src=x onerror="document.title=1">',
        "=1+1 قال",
    ]
    shown = demo.marked_html(predictions, 0.0, "no such label")
    assert shown.count("<p ") == 3 and shown.count('class="tag"') == 12
    assert "<img" not in shown + demo.table_html(demo.table_rows(predictions, 0.0)) and "&lt;img" in shown
    assert 'class="tag"' not in demo.marked_html(predictions, 1.01, "absent")
    label = predictions[0]["jerusalem_status"].label
    assert "--hue: 194 80 10" in demo.marked_html(predictions, 0.0, "no such label", ("other", label))


def test_the_threshold_empties_labels_of_the_table_which_is_defused(model: Path, tmp_path: Path) -> None:
    predictions = demo.classified(ARTICLE, Classifier.load(model))
    assert not any(row["jerusalem_status_stance"] for row in demo.table_rows(predictions, 1.01))
    path = demo.save(demo.table_rows(predictions, 0.0), tmp_path)
    assert path.is_relative_to(tmp_path) and path != demo.save([], tmp_path)
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["sentence"] for row in rows] == ["1", "2", "3"] and rows[2]["text"] == "'=1+1 قال"
    assert float(rows[0]["de_escalation_zones_score"]) > 0


@pytest.mark.parametrize(("text", "message"), [(" \n", "found no text"), ("جملة.\n" * 2001, "use wijha predict")])
def test_nothing_and_too_much_are_refused(model: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        demo.classified(text, Classifier.load(model))


def test_it_listens_on_this_machine_only_unless_told() -> None:
    parser = argparse.ArgumentParser()
    demo.add_parser(parser.add_subparsers())
    assert parser.parse_args(["demo"]).host == "127.0.0.1"
    assert parser.parse_args(["demo", "--host", "0.0.0.0"]).host == "0.0.0.0"


def test_an_address_of_ipv6_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    demo.add_parser(parser.add_subparsers())
    with pytest.raises(SystemExit):
        parser.parse_args(["demo", "--host", "::1"])
    sentence = "argument --host: expected a name or an IPv4 address, got '::1'; use 127.0.0.1 or 0.0.0.0\n"
    assert capsys.readouterr().err.endswith(sentence)


def test_without_gradio_the_command_is_named(tmp_path: Path) -> None:
    """In a real interpreter in which Gradio cannot be imported."""
    code = (
        "import argparse, sys; sys.modules['gradio'] = None\n"
        "from wijha import InputError, demo\n"
        "try: demo.demo(argparse.Namespace(model=None, host='127.0.0.1', port=0))\n"
        "except InputError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    command = "python -m pip install --editable '.[demo]' in the clone of wijha"
    assert done.stdout.strip() == f"expected the package gradio, found it missing; run: {command}"
