"""Training survives: damaged checkpoints, kills, signals, a full disk, early stopping; the weights are the same."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
import torch
import transformers.trainer
import yaml
from accelerate import Accelerator
from safetensors.torch import load_file

from train import finetune as recipe
from train.checkpoints import damage, drop_old, newest_whole, write_manifest
from train.config import FinetuneConfig, as_dict
from train.stopping import StopOnSignal
from wijha import InputError

EPOCH = 11  # steps: 42 training sentences in batches of 4
apart = multiprocessing.get_context("forkserver")  # real processes that need not import torch anew


@pytest.fixture(scope="module")
def longer(settings: dict[str, object]) -> dict[str, object]:
    """Epochs of many steps, each better than the one before, and every source of random numbers in use."""
    rates = {"learning_rate": 5e-4, "dropout": 0.1, "word_dropout": 0.1}
    return settings | rates | {"epochs": 4, "batch": 4, "metric": "loss", "patience": 9}


@pytest.fixture(scope="module")
def undisturbed(longer: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a run that nothing disturbed."""
    output = tmp_path_factory.mktemp("undisturbed") / "run"
    assert train(longer, output) == 0
    return output


def write_config(settings: dict[str, object], output: Path) -> Path:
    plain = as_dict(FinetuneConfig(**settings, output=output))  # type: ignore[arg-type]
    output.with_suffix(".yaml").write_text(yaml.safe_dump(plain), encoding="utf-8")
    return output.with_suffix(".yaml")


def train(settings: dict[str, object], output: Path, **disturbance: int | str) -> int | None:
    """Exit code of `python -m train.finetune CONFIG` in a process of its own; see `start`."""
    process = start(settings, output, **disturbance)
    process.join()
    return process.exitcode


def start(settings: dict[str, object], output: Path, **disturbance: int | str) -> ForkServerProcess:
    """`python -m train.finetune CONFIG` in a process of its own; what it prints goes to `output`.log."""
    config = write_config(settings, output)
    log = output.with_suffix(".log")
    log.unlink(missing_ok=True)
    process = apart.Process(target=_main, args=(config, log), kwargs=disturbance)
    process.start()
    return process


def _main(config: Path, log: Path, file_limit: int = 0, full_at: str = "", **signals: int) -> None:
    """The command line; it signals itself in a step, may write no file larger than a limit, or one file not at all."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
    torch.set_num_threads(1)
    with open(log, "w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    if file_limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    if full_at:
        sys.addaudithook(lambda event, arguments: event == "open" and _fail(full_at, arguments[0]))
    transformers.trainer.DEFAULT_CALLBACKS.append(Signalling(**signals))
    sys.argv = ["finetune", str(config)]
    recipe.main()


def _fail(full_at: str, opened: object) -> None:
    if str(opened) == full_at:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Signalling(transformers.TrainerCallback):
    """Says that training begins, and sends a signal to its own process within a step."""

    def __init__(self, number: int = 0, step: int = 0) -> None:
        self.number, self.step = number, step

    def on_train_begin(self, *rest: object, **more: object) -> None:
        print("training begins", flush=True)

    def on_step_begin(self, args: object, state: transformers.TrainerState, *rest: object, **more: object) -> None:
        if state.global_step == self.step - 1:
            os.kill(os.getpid(), self.number)


def printed(output: Path) -> list[str]:
    log = output.with_suffix(".log")
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def steps_kept(output: Path) -> list[int]:
    return sorted(int(path.name.removeprefix("checkpoint-")) for path in (output / "checkpoints").glob("checkpoint-*"))


def assert_same_weights(one: Path, other: Path) -> None:
    """Bit for bit: what ships, and the full precision that it comes from."""
    assert steps_kept(one)[-1] == steps_kept(other)[-1]
    for folder in ("model", f"checkpoints/checkpoint-{steps_kept(one)[-1]}"):
        first, second = (load_file(output / folder / "model.safetensors") for output in (one, other))
        assert [name for name in first if not torch.equal(first[name], second[name])] == []


@pytest.fixture
def copied(undisturbed: Path, tmp_path: Path) -> Path:
    """Checkpoints of a finished run's last two epochs, to be damaged."""
    assert steps_kept(undisturbed) == [3 * EPOCH, 4 * EPOCH]
    return Path(shutil.copytree(undisturbed / "checkpoints", tmp_path / "checkpoints"))


def _shorten(checkpoint: Path) -> None:
    os.truncate(checkpoint / "optimizer.pt", 100)


def _flip(checkpoint: Path) -> None:
    content = bytearray((checkpoint / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (checkpoint / "model.safetensors").write_bytes(content)


def _drop_state(checkpoint: Path) -> None:
    (checkpoint / "trainer_state.json").unlink()
    write_manifest(checkpoint)


DAMAGES = {
    "its optimizer.pt is not as it was written": _shorten,
    "its model.safetensors is not as it was written": _flip,
    "its rng_state.pth is missing": lambda checkpoint: (checkpoint / "rng_state.pth").unlink(),
    "it was not written to the end": lambda checkpoint: (checkpoint / "manifest.json").unlink(),
    "its manifest.json cannot be read": lambda checkpoint: os.truncate(checkpoint / "manifest.json", 40),
    "its trainer_state.json is missing": _drop_state,
}


@pytest.mark.parametrize("reason", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over(copied: Path, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    before, newest = copied / f"checkpoint-{3 * EPOCH}", copied / f"checkpoint-{4 * EPOCH}"
    assert newest_whole(copied) == newest
    DAMAGES[reason](newest)
    assert newest_whole(copied) == before
    says = [f"going on from {newest}", f"passed over {newest}: {reason}", f"going on from {before}"]
    assert capsys.readouterr().out.splitlines() == says
    assert not newest.exists() and (copied / f"passed-over-{newest.name}").is_dir()


def test_what_cannot_be_read_now_is_not_passed_over(copied: Path) -> None:
    newest = copied / f"checkpoint-{4 * EPOCH}"
    manifest, aside = newest / "manifest.json", newest / "aside"
    manifest.rename(aside)
    manifest.symlink_to("/proc/self/mem")  # whose first bytes are an input/output error
    said = f"expected to read {newest}, got: Input/output error; run the same command again once it can be read"
    with pytest.raises(InputError, match=said):
        newest_whole(copied)
    aside.rename(manifest)
    assert newest_whole(copied) == newest


def test_what_is_passed_over_twice_is_kept_as_it_was_first(copied: Path) -> None:
    newest, aside = copied / f"checkpoint-{4 * EPOCH}", copied / f"passed-over-checkpoint-{4 * EPOCH}"
    _shorten(newest)
    newest_whole(copied)
    newest.mkdir()  # begun anew, and killed
    newest_whole(copied)
    assert not newest.exists() and (aside / "optimizer.pt").exists()


def test_what_was_passed_over_goes_when_it_is_made_up_for(tmp_path: Path) -> None:
    for name in ("checkpoint-4", "checkpoint-6", "passed-over-checkpoint-6", "passed-over-checkpoint-9"):
        (tmp_path / name).mkdir()
    drop_old(tmp_path, None)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-4", "checkpoint-6", "passed-over-checkpoint-9"}


def test_without_a_whole_checkpoint_training_starts_anew(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert newest_whole(copied / "none") is None
    assert capsys.readouterr().out == ""
    for checkpoint in copied.iterdir():
        _flip(checkpoint)
    assert newest_whole(copied) is None
    assert capsys.readouterr().out.endswith(f"no checkpoint in {copied} is whole: training starts anew\n")


def test_a_checkpoint_needs_the_best_one(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    best, newest = copied / f"checkpoint-{3 * EPOCH}", copied / f"checkpoint-{4 * EPOCH}"
    state = json.loads((newest / "trainer_state.json").read_text(encoding="utf-8"))
    (newest / "trainer_state.json").write_text(json.dumps(state | {"best_model_checkpoint": str(best)}))
    write_manifest(newest)
    assert damage(newest) is None
    _shorten(best)
    assert newest_whole(copied) is None
    reason = "its optimizer.pt is not as it was written"
    assert f"passed over {newest}: it needs {best.name}, and {reason}\n" in capsys.readouterr().out


@pytest.mark.parametrize(("best", "kept"), [("4", "49"), ("9", "69"), (None, "69"), ("6", "69")])
def test_the_newest_and_the_best_are_kept(tmp_path: Path, best: str | None, kept: str) -> None:
    for step in "469":
        (tmp_path / f"checkpoint-{step}").mkdir()
    drop_old(tmp_path, best and f"elsewhere/checkpoint-{best}")
    assert sorted(path.name[-1] for path in tmp_path.iterdir()) == list(kept)


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    stop = StopOnSignal(Accelerator(cpu=True))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop.listening():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN != signal.getsignal(signal.SIGTERM)
            handler = signal.getsignal(signal.SIGTERM)
            assert callable(handler)
            handler(signal.SIGTERM, None)
            assert stop.received == signal.SIGTERM
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("number", "step", "code"),
    [
        (signal.SIGINT, 2 * EPOCH + 8, 130),
        (signal.SIGTERM, 2 * EPOCH, 143),  # the epoch's own checkpoint, with its evaluation
        pytest.param(signal.SIGTERM, 1, 143, marks=pytest.mark.slow),  # no evaluation yet, so no best model
        pytest.param(signal.SIGTERM, 4 * EPOCH, 143, marks=pytest.mark.slow),  # only the model is left to be written
    ],
)
def test_a_signal_saves_and_the_run_goes_on(
    longer: dict[str, object], undisturbed: Path, tmp_path: Path, number: signal.Signals, step: int, code: int
) -> None:
    run = tmp_path / "run"
    assert train(longer, run, number=number, step=step) == code
    said = f"stopped by {number.name}: step {step} of {4 * EPOCH} is saved; run the same command again to go on"
    assert printed(run)[-1] == said
    assert steps_kept(run)[-1] == step and damage(run / "checkpoints" / f"checkpoint-{step}") is None
    assert not (run / "model").exists()
    assert train(longer, run) == 0
    assert f"going on from {run}/checkpoints/checkpoint-{step}" in printed(run)
    assert_same_weights(run, undisturbed)


def test_a_run_goes_on_before_its_damaged_checkpoint(
    longer: dict[str, object], undisturbed: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train(longer, run, number=signal.SIGTERM, step=EPOCH + 5)
    _shorten(run / "checkpoints" / f"checkpoint-{EPOCH + 5}")
    assert train(longer, run) == 0
    assert f"going on from {run}/checkpoints/checkpoint-{EPOCH}" in printed(run)
    assert_same_weights(run, undisturbed)
    assert len(list((run / "checkpoints").iterdir())) == 2


@pytest.mark.parametrize("limit", [pytest.param(60_000, marks=pytest.mark.slow), 150_000])  # weights 115 kB, AdamW 256
def test_a_full_disk_is_said_and_leaves_the_checkpoint_before(
    longer: dict[str, object], undisturbed: Path, tmp_path: Path, limit: int
) -> None:
    run = tmp_path / "run"
    train(longer, run, number=signal.SIGTERM, step=EPOCH + 5)
    assert train(longer, run, file_limit=limit) == 2
    folder = run / "checkpoints"
    assert printed(run)[-1] == f"error: expected space for a checkpoint in {folder}, found none; free some and rerun"
    assert steps_kept(run) == [EPOCH, EPOCH + 5]
    assert train(longer, run) == 0
    assert f"going on from {folder}/checkpoint-{EPOCH + 5}" in printed(run)
    assert_same_weights(run, undisturbed)


@pytest.mark.parametrize(
    ("file", "what", "steps"),
    [
        pytest.param("config.json", "the settings", [], marks=pytest.mark.slow),
        ("checksums.json", "the settings", []),
        pytest.param("model/metrics.json", "the model", [3 * EPOCH, 4 * EPOCH], marks=pytest.mark.slow),
        ("model/manifest.json", "the model", [3 * EPOCH, 4 * EPOCH]),
    ],
)
def test_no_space_for_what_comes_first_or_last(
    longer: dict[str, object], undisturbed: Path, tmp_path: Path, file: str, what: str, steps: list[int]
) -> None:
    run, path = tmp_path / "run", tmp_path / "run" / file
    assert train(longer, run, full_at=str(path.with_name(f".{path.name}.part"))) == 2
    assert printed(run)[-1] == f"error: expected space for {what} in {run}, found none; free some and rerun"
    assert steps_kept(run) == steps and not (run / "model").exists()
    assert train(longer, run) == 0
    assert [line for line in printed(run) if "going on" in line] == [
        f"going on from {run}/checkpoints/checkpoint-{step}" for step in steps[-1:]
    ]
    assert_same_weights(run, undisturbed)
    assert path.exists()


def test_early_stopping_counts_on_after_a_stop(longer: dict[str, object], tmp_path: Path) -> None:
    early = longer | {
        "metric": "favg3",
        "patience": 2,
        "epochs": 6,
    }  # 0 in every epoch: nothing is better than the first
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert train(early, whole) == 0
    assert steps_kept(whole) == [EPOCH, 3 * EPOCH]
    train(early, run, number=signal.SIGTERM, step=2 * EPOCH + 3)
    train(early, run, number=signal.SIGTERM, step=3 * EPOCH)  # stopped just as training was over
    assert train(early, run) == 0
    assert steps_kept(run) == [EPOCH, 3 * EPOCH]
    assert_same_weights(run, whole)


def kill_at_random_moments(longer: dict[str, object], run: Path, kills: int, most: float) -> list[str]:
    """Kill a run up to `most` seconds after it began to train, that often, then let it end; what each kill left."""
    left, moments = [], random.Random(kills)
    for _ in range(kills):
        process = start(longer, run)
        while process.is_alive() and "training begins" not in printed(run):
            time.sleep(0.01)
        time.sleep(moments.uniform(0, most))
        process.kill()
        process.join()
        steps = steps_kept(run)
        broken = [step for step in steps if damage(run / "checkpoints" / f"checkpoint-{step}")]
        left.append(f"exit {process.exitcode}: checkpoints {steps}, broken {broken}")
    assert train(longer, run) == 0
    return left


@pytest.fixture(scope="module")
def epoch_seconds(undisturbed: Path) -> float:
    """How long an epoch takes here, so that kills fall into one."""
    before, last = (
        (undisturbed / "checkpoints" / f"checkpoint-{count * EPOCH}" / "manifest.json").stat().st_mtime
        for count in (3, 4)
    )
    return last - before


def test_three_kills(longer: dict[str, object], undisturbed: Path, tmp_path: Path, epoch_seconds: float) -> None:
    print(kill_at_random_moments(longer, tmp_path / "run", 3, 1.6 * epoch_seconds))
    assert_same_weights(tmp_path / "run", undisturbed)


@pytest.mark.slow
def test_thirty_kills(longer: dict[str, object], undisturbed: Path, tmp_path: Path, epoch_seconds: float) -> None:
    for number in range(10):
        print(kill_at_random_moments(longer, tmp_path / f"run{number}", 3, 1.6 * epoch_seconds))
        assert_same_weights(tmp_path / f"run{number}", undisturbed)


TWO = """
import os, sys
sys.path[:0] = {paths!r}
from test_checkpoints import Signalling, recipe, transformers
if os.environ["RANK"] == "1":
    transformers.trainer.DEFAULT_CALLBACKS.append(Signalling({number}, {step}))
sys.argv = ["finetune", {config!r}]
recipe.main()
"""


def train_on_two(settings: dict[str, object], output: Path, number: int = 0, step: int = 0) -> str:
    """`torchrun --nproc_per_node 2 -m train.finetune CONFIG`, the second process signalled; what both print."""
    config, script = write_config(settings, output), output.with_suffix(".py")
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    script.write_text(TWO.format(paths=paths, number=number, step=step, config=str(config)), encoding="utf-8")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(launcher, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == bool(number), done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_two_processes_stop_after_the_same_step_and_go_on(longer: dict[str, object], tmp_path: Path) -> None:
    whole, run, step = tmp_path / "whole", tmp_path / "run", EPOCH + 8
    train_on_two(longer, whole)
    said = train_on_two(longer, run, signal.SIGTERM, step)
    assert said.count(f"stopped by SIGTERM: step {step} of {4 * EPOCH} is saved") == 1
    assert {"rng_state_0.pth", "rng_state_1.pth"} <= {
        path.name for path in (run / "checkpoints" / f"checkpoint-{step}").iterdir()
    }
    assert train_on_two(longer, run).count(f"going on from {run}/checkpoints/checkpoint-{step}") == 1
    assert_same_weights(run, whole)
