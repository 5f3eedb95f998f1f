"""Prove what README promises of bad days: run each promise's tests and put their last figures into README's table.

python -m train.reliability            # a quarter of an hour, slow tests included; writes docs/reliability.json
python -m train.reliability jobs       # only those whose command holds one of these words

A promise that fails stands as failed there, and the others are still proved; exit code 2 then.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

from train.command import command_line, one_sentence_errors
from train.provenance import commit_now
from train.tables import fill, markdown
from wijha.errors import InputError
from wijha.files import read_json, write_json

RESULTS = Path("docs/reliability.json")
FAILED = "failed"
SLOW = "-m 'slow or not slow'"
PROMISES = {
    "fine-tuning that was killed, stopped (Ctrl-C, SIGTERM) or ran out of disk goes on with the same command and ends "
    "in the same weights, bit for bit on a CPU; 30 kills": f"tests/train/test_checkpoints.py {SLOW}",
    "a fine-tuning step that finds too little memory is halved, in one process, and said": (
        "tests/train/test_trainer.py"
    ),
    "several processes fine-tune to the weights of one, where no words are masked and every step is whole": (
        "tests/train/test_finetune.py -k two_processes"
    ),
    "a file job that was killed, 50 times, goes on with `--resume` to the same bytes; `wijha verify` proves each row "
    "once": f"tests/wijha/test_jobs.py {SLOW}",
    "whichever file operation of a job fails, nothing is lost: every one fails once": "tests/wijha/test_faults.py",
    "spoiled, mixed, huge and empty files end as quarantined rows or an error of one sentence": (
        f"tests/wijha/test_untrusted.py {SLOW}"
    ),
    "a changed byte of a model is noticed at load; pickle, code in a config and weights that are not finite are "
    "refused": "tests/wijha/test_manifest.py tests/wijha/test_safety.py",
    "a model still says what it said when it was made (`wijha info --check`)": "tests/wijha/test_golden.py",
    "diacritics, tatweel, invisible controls, presentation forms, Persian and Urdu letters, the spellings of hamza, "
    "teh marbuta and alef maksura, digits, quotation marks, punctuation and spaces give the same token ids": (
        "tests/train/test_perturbations.py"
    ),
    "10,000 made-up strings never crash the classifier": f"tests/wijha/test_fuzz.py {SLOW}",
    "splitting, order, records and ledger hold for made-up input": "tests/wijha/test_properties.py",
    "cells that a spreadsheet would run are defused, HTML is shown as text, no link leads out of the output folder, "
    "nothing printed holds text of the data": (
        "tests/wijha -k 'defused or marked_as_text or leave_their_folder or printed_holds or not_what'"
    ),
    "the tests reach for no network": "tests/test_offline.py",
    "packages are installed in one version, all but torch by hash": "tests/test_supply.py",
}


def main() -> None:
    """Command line."""
    parser = command_line(__doc__)
    parser.add_argument("words", nargs="*", help="prove only promises whose command holds one of them")
    arguments = parser.parse_args()
    with one_sentence_errors():
        prove(*arguments.words)


def prove(*only: str) -> None:
    """Run every promise's tests, or those with one of `only` in their command, and note what they said.

    Raises InputError at the end when any of them failed, and when there is none to run.
    """
    chosen = [words for words in PROMISES.values() if not only or any(part in words for part in only)]
    if not chosen:
        raise InputError(f"expected a part of a command in the table of promises, got {', '.join(only)}; see README")
    commit, failed = commit_now(), []
    for words in sorted(chosen, key=lambda words: SLOW in words):  # the quick ones first
        figure = {"said": proved(words), "date": date.today().isoformat(), "commit": commit}
        if figure["said"] == FAILED:
            failed.append(f"pytest {words}")
        figures = last_said() | {words: figure}
        write_json(RESULTS, {words: figures[words] for words in PROMISES.values() if words in figures})
        fill(Path("README.md"), {"reliability": table()})
    if failed:
        raise InputError(f"expected the tests of every promise to pass, got failures of {'; '.join(failed)}; see why")


def last_said() -> dict[str, dict[str, str]]:
    """What each promise's tests said when they ran last, when, and of which commit."""
    return dict(read_json(RESULTS)) if RESULTS.exists() else {}


def proved(words: str) -> str:
    """How many tests passed, or FAILED when one did not or none ran; pytest's last line is printed."""
    done = subprocess.run(
        f"{sys.executable} -m pytest {words}", shell=True, capture_output=True, text=True, check=False
    )
    last = (done.stdout.strip().splitlines() or ["nothing"])[-1].strip("= ")
    print(f"{last}: pytest {words}", flush=True)
    return FAILED if done.returncode or " passed" not in last else last.partition(" in ")[0]


def table() -> str:
    """Each promise with the command that proves it, what that said last, when, and of which commit."""
    figures = last_said()
    rows = [[promise, f"`{words}`", _cell(figures.get(words))] for promise, words in PROMISES.items()]
    return markdown(["promise", "proved by `python -m pytest ...`", "last said"], rows)


def _cell(figure: dict[str, str] | None) -> str:
    if figure is None:
        return "not run yet"
    when = ", ".join(filter(None, (figure["date"], figure["commit"])))
    return f"{figure['said']} ({when})"


if __name__ == "__main__":
    main()
