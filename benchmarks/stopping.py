"""From a signal to the end of a running `wijha predict`, in seconds: the longest of several, each at another moment.

python -m benchmarks.stopping [MODEL] [--repeats 5]
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import ROOT, model_argument, named, report, texts
from train.command import command_line, one_sentence_errors
from wijha.arguments import positive
from wijha.classifier import read_settings
from wijha.errors import InputError
from wijha.writing import write_rows

ROWS = 200_000
_SIGNALS = {"SIGTERM": signal.SIGTERM, "Ctrl-C (SIGINT)": signal.SIGINT}


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    model_argument(parser)
    parser.add_argument("--repeats", type=positive, default=5, help="jobs a signal; the longest end is taken")
    arguments = parser.parse_args()
    with one_sentence_errors():
        run(arguments.model, arguments.repeats)


def run(model: Path, repeats: int, rows: int = ROWS) -> None:
    """Stop jobs by every signal and report. Raises InputError when a job ends before its signal."""
    read_settings(model)
    moments, found = random.Random(13), []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in.jsonl"
        write_rows(({"text": text} for text in texts(rows)), source)
        for name, number in _SIGNALS.items():
            outs = [Path(folder) / f"{number.name}-{at}.jsonl" for at in range(repeats)]
            ends = [end(source, out, model, number, moments.random()) for out in outs]
            found.append({"stopped by": name, "seconds": round(max(ends), 2), "jobs": repeats})
    title = f"From a signal to the end of a running job, {named(model)}"
    report("stopping", title, "the longest", found, lambda row, first: first["seconds"] / row["seconds"])


def end(source: Path, out: Path, model: Path, number: signal.Signals, moment: float) -> float:
    """Seconds from the signal, sent `moment` seconds after a job has done its first chunk, to its end."""
    ledger = out.with_name(f"{out.name}.job") / "ledger.jsonl"
    job = subprocess.Popen(
        [sys.executable, "-m", "wijha.cli", "predict", str(source), str(out), "--model", str(model)],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        env=os.environ,
    )
    while job.poll() is None and not (ledger.exists() and ledger.stat().st_size):
        time.sleep(0.01)
    time.sleep(moment)
    sent = time.perf_counter()
    job.send_signal(number)
    if job.wait() != 128 + number:
        raise InputError(f"expected a job that the signal stops, got exit code {job.returncode}; give it more rows")
    return time.perf_counter() - sent


if __name__ == "__main__":
    main()
