"""Prove what README promises of bad days: run each promise's tests and put their last figures into README's table.

python -m train.reliability            # a quarter of an hour, slow tests included; writes docs/reliability.json
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from train.command import one_sentence_errors
from train.documents import fill
from wijha.errors import InputError
from wijha.files import write_json

RESULTS = Path("docs/reliability.json")
SLOW = "-m 'slow or not slow'"
PROMISES = {
    "training that was killed, stopped (Ctrl-C, SIGTERM) or ran out of disk goes on with the same command and ends in "
    "the same weights, bit for bit on a CPU; 30 kills": f"tests/train/test_checkpoints.py {SLOW}",
    "a step that finds too little memory is halved, in one process, and said": "tests/train/test_trainer.py",
    "several processes train to the weights of one": "tests/train/test_finetune.py -k two_processes",
    "a file job that was killed, 50 times, goes on with `--resume` to the same bytes; `wijha verify` proves each row "
    "once": f"tests/wijha/test_jobs.py {SLOW}",
    "whichever file operation of a job fails, nothing is lost: every one fails once": "tests/wijha/test_faults.py",
    "spoiled, mixed, huge and empty files end as quarantined rows or one sentence": (
        f"tests/wijha/test_untrusted.py {SLOW}"
    ),
    "a changed byte of a model is noticed at load; pickle, code in a config and weights that are not finite are "
    "refused": "tests/wijha/test_manifest.py tests/wijha/test_safety.py",
    "a model still says what it said when it was made (`wijha info --check`)": "tests/wijha/test_golden.py",
    "diacritics, tatweel, invisible controls, presentation forms, Persian letters, hamza on alef, digits, quotation "
    "marks and spaces give the same token ids": "tests/wijha/test_robustness.py",
    "10,000 made-up strings never crash the classifier": f"tests/wijha/test_fuzz.py {SLOW}",
    "splitting, order, records and ledger hold for made-up input": "tests/wijha/test_properties.py",
    "cells that a spreadsheet would run are defused, HTML is shown as text, no link leads out of the output folder, "
    "nothing printed holds text of the data": (
        "tests/wijha -k 'defused or marked_as_text or leave_their_folder or printed_holds or not_what'"
    ),
    "the tests reach for no network": "tests/test_offline.py",
    "packages are installed by hash, in one version": "tests/test_supply.py",
}


def main() -> None:
    """Command line."""
    with one_sentence_errors():
        for words in sorted(PROMISES.values(), key=lambda words: SLOW in words):  # the quick ones first
            figures = last_said() | {words: proved(words)}
            print(f"{figures[words]}: pytest {words}", flush=True)
            write_json(RESULTS, {words: figures[words] for words in PROMISES.values() if words in figures})
            fill(Path("README.md"), {"reliability": table()})


def last_said() -> dict[str, str]:
    """What each promise's tests said when they ran last."""
    return dict(json.loads(RESULTS.read_text(encoding="utf-8"))) if RESULTS.exists() else {}


def proved(words: str) -> str:
    """How many tests passed. Raises InputError when one fails or none ran."""
    done = subprocess.run(
        f"{sys.executable} -m pytest {words}", shell=True, capture_output=True, text=True, check=False
    )
    last = (done.stdout.strip().splitlines() or ["nothing"])[-1]
    if done.returncode or " passed" not in last:
        raise InputError(f"expected the tests of `pytest {words}` to pass, got: {last}; see what fails")
    return last.partition(" in ")[0]


def table() -> str:
    """Each promise with the command that proves it and what that said last."""
    figures = last_said()
    lines = ["| promise | proved by `python -m pytest ...` | last said |", "|---|---|---|"]
    lines += [f"| {promise} | `{words}` | {figures.get(words, 'not run yet')} |" for promise, words in PROMISES.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
