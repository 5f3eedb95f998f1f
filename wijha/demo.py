"""wijha demo: paste or upload an article, see its sentences marked by topic and stance, take the table away.

Runs on this machine alone: nothing is sent anywhere, fonts and counters included.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wijha.errors import InputError
from wijha.extras import need
from wijha.records import read_rows
from wijha.schema import SCORE, STANCE
from wijha.signals import handled
from wijha.text import sentences
from wijha.writing import write_rows

if TYPE_CHECKING:
    from wijha.classifier import Classifier, Prediction

LIMIT = 2_000  # sentences an article may have here; larger texts are for wijha predict
_EXAMPLE = (
    "أكد المبعوث الأممي أن لا حل عسكريا للأزمة في سوريا، ودعا الأطراف إلى العودة إلى مفاوضات جنيف. "
    "ورفضت الفصائل الهدنة المقترحة في حلب. وتناول الاجتماع أيضا أسعار القمح."
)
_POLAR, _OTHER = ("0 101 168", "194 80 10"), "107 116 128"  # colours of the two sides of a stance, of other labels
_STYLE = """
.article { direction: rtl; text-align: start; font-size: 1.08rem; line-height: 2; }
.article p { margin: 0 0 .5rem; padding: .2rem .7rem; border-inline-start: 4px solid transparent; }
.article .tag { display: inline-block; direction: ltr; font-size: .78rem; line-height: 1.5; border-radius: 4px;
  padding: 0 .4rem; margin-inline-start: .4rem; background: rgb(var(--hue) / .2); border: 1px solid rgb(var(--hue)); }
.labels { overflow-x: auto; }
.labels td, .labels th { text-align: start; vertical-align: top; padding: .2rem .6rem .2rem 0; }
.labels bdi { display: block; min-width: 16rem; }
"""
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")


def add_parser(commands: Any) -> None:
    """Add `demo` to the command line's subcommands."""
    command = commands.add_parser("demo", help="a page to try a model on", description="A page to try a model on.")
    command.add_argument("--model", type=Path, help="a model folder (default: the one that ships)")
    command.add_argument(
        "--host", type=_host, default="127.0.0.1", help="address to listen on (default: this machine only)"
    )
    command.add_argument("--port", type=_port, default=7860, help="port to listen on (default: 7860)")
    command.set_defaults(command=demo)


def _host(word: str) -> str:
    if ":" in word:  # Gradio makes an address without brackets of it
        raise argparse.ArgumentTypeError(f"expected a name or an IPv4 address, got {word!r}; use 127.0.0.1 or 0.0.0.0")
    return word


def _port(word: str) -> int:
    if not word.isdigit() or not 0 < int(word) < 65_536:
        raise argparse.ArgumentTypeError(f"expected a port from 1 to 65535, got {word!r}")
    return int(word)


def demo(arguments: argparse.Namespace) -> None:
    """wijha demo."""
    from wijha.classifier import Classifier  # torch is slow to import: --help must not wait for it

    where = {"server_name": arguments.host, "server_port": arguments.port, "share": False}
    for name in ("NO_PROXY", "no_proxy"):  # Gradio looks at its own page first
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1", "localhost", arguments.host]))
    with tempfile.TemporaryDirectory(prefix="wijha-") as folder, handled(lambda number, _: sys.exit(128 + number)):
        os.environ["GRADIO_TEMP_DIR"] = folder  # what it copies goes with the rest
        gradio = need("gradio", "demo")
        classifier = Classifier.load(arguments.model)
        page = build(gradio, classifier, Path(folder))
        try:
            page.launch(**where, **_look(gradio), quiet=True, footer_links=[], prevent_thread_lock=True)
        except OSError as error:
            raise InputError(
                f"expected to listen on {arguments.host}:{arguments.port}, found it taken or not of this machine; pass "
                "another --port or --host"
            ) from error
        print(f"demo: http://{arguments.host}:{arguments.port} (Ctrl-C ends it)", flush=True)
        page.block_thread()


def build(gradio: Any, classifier: Classifier, folder: Path) -> Any:
    """The page as Gradio blocks, not yet served; tables to download are written below `folder`."""
    with gradio.Blocks(title="wijha", analytics_enabled=False) as page:
        gradio.Markdown(f"# wijha وجهة\nTopics and stances of Arabic news, by `{classifier.folder}`, on this machine.")
        known = gradio.State([])
        with gradio.Row():
            with gradio.Column():
                article = gradio.Textbox(_EXAMPLE, label="Article", lines=10, rtl=True, elem_id="article")
                upload = gradio.File(label="or a .txt file in UTF-8", file_types=[".txt"], type="filepath", height=140)
                least = gradio.Slider(0, 1, 0.5, step=0.01, label="Show labels from this probability on")
                start = gradio.Button("Classify", variant="primary", elem_id="classify")
            with gradio.Column():
                marked = gradio.HTML(label="Sentences", elem_id="marked")
        table = gradio.HTML(label="Labels", elem_id="table")
        download = gradio.DownloadButton("Download the table (.csv)", interactive=False, elem_id="download")

        def classify(text: str) -> list[Prediction]:
            try:
                return classified(text, classifier)
            except InputError as error:
                raise gradio.Error(str(error), print_exception=False) from error

        def show(predictions: list[Prediction], bound: float) -> tuple[Any, ...]:
            rows = table_rows(predictions, bound)
            button = gradio.DownloadButton(value=str(save(rows, folder)) if rows else None, interactive=bool(rows))
            schema = classifier.schema
            return marked_html(predictions, bound, schema.absent, schema.polar), table_html(rows), button

        def read(path: str | None) -> str:
            try:
                return "\n".join(row["text"] for _, row in read_rows(Path(path))) if path else ""
            except InputError as error:
                raise gradio.Error(str(error), print_exception=False) from error

        outputs = [marked, table, download]
        upload.upload(read, upload, article)
        start.click(classify, article, known).success(show, [known, least], outputs)
        least.release(show, [known, least], outputs)
    return page


def _look(gradio: Any) -> dict[str, Any]:
    """Fonts of this machine: Gradio's own themes fetch theirs from the network."""
    fonts = ["system-ui", "Noto Sans Arabic", "sans-serif"]
    return {"theme": gradio.themes.Default(font=fonts, font_mono=["monospace"]), "css": _STYLE}


def classified(text: str, classifier: Classifier) -> list[Prediction]:
    """The sentences of an article with what the model says of each. Raises InputError for no text or too much."""
    found = sentences(text or "")
    if not found:
        raise InputError("expected an article, found no text; paste one or upload a file")
    if len(found) > LIMIT:
        raise InputError(f"expected at most {LIMIT:,} sentences, found {len(found):,}; use wijha predict --articles")
    return classifier.classify(found)


def marked_html(predictions: list[Prediction], least: float, absent: str, polar: Sequence[str] = ()) -> str:
    """The sentences as HTML, each with a tag for every topic that is there with a probability of `least` or more; the
    labels `polar`, the two sides of a stance, have colours of their own."""
    paragraphs, hues = [], dict(zip(polar, _POLAR, strict=False))
    for prediction in predictions:
        tags, hue = [], "0 0 0 / 0"
        for name, topic in prediction.topics.items():
            if topic.label != absent and topic.score >= least:
                hue = hues.get(topic.label, _OTHER)
                words = escape(f"{name.replace('_', ' ')}: {topic.label} {topic.score:.2f}")
                tags.append(f'<span class="tag" style="--hue: {hue}">{words}</span>')
        text = f'<bdi dir="auto" lang="ar">{escape(prediction.text)}</bdi>'
        paragraphs.append(f'<p style="border-color: rgb({hue})">{text}{"".join(tags)}</p>')
    return f'<div class="article">{"".join(paragraphs)}</div>'


def table_rows(predictions: list[Prediction], least: float) -> list[dict[str, Any]]:
    """One row a sentence: label and probability of each topic; a label below `least` stays empty."""
    rows = []
    for number, prediction in enumerate(predictions, 1):
        row: dict[str, Any] = {"sentence": number, "text": prediction.text}
        for name, topic in prediction.topics.items():
            row[name + STANCE] = topic.label if topic.score >= least else ""
            row[name + SCORE] = round(topic.score, 4)
        rows.append(row)
    return rows


def table_html(rows: list[dict[str, Any]]) -> str:
    """The same table as HTML."""
    if not rows:
        return ""
    names = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in rows[0])
    lines = []
    for row in rows:
        cells = [escape(str(value)) for value in row.values()]
        cells[1] = f'<bdi dir="auto" lang="ar">{cells[1]}</bdi>'
        lines.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return f'<div class="labels"><table><tr>{names}</tr>{"".join(lines)}</table></div>'


def save(rows: list[dict[str, Any]], folder: Path) -> Path:
    """The table as a .csv file in a folder of its own below `folder`; cells a spreadsheet would run are defused."""
    path = Path(tempfile.mkdtemp(dir=folder)) / "sentences.csv"
    write_rows(rows, path)
    return path
