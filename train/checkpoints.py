"""Checkpoints that are whole or not there: the Trainer writes file by file, and a manifest comes last."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from train.command import processes
from wijha.errors import InputError
from wijha.files import DISK_IS_FULL, file_sha256, locked, read_json, write_json

MANIFEST = "manifest.json"
_STATE = "trainer_state.json"
_NAME, _PASSED_OVER = "checkpoint-", "passed-over-checkpoint-"  # and the step
_FULL_SIGNS = (*map(os.strerror, DISK_IS_FULL), "PytorchStreamWriter failed", "file write failed", "unexpected pos")


@contextmanager
def alone(output: Path) -> Iterator[None]:
    """While it lasts, no other run trains into the folder `output`. Raises InputError where one does already."""
    if not processes().is_main_process:
        yield
        return
    output.mkdir(parents=True, exist_ok=True)
    try:
        lock = locked(output / "lock")
    except BlockingIOError as error:
        raise InputError(f"expected {output} at rest, another run trains there; wait for it") from error
    try:
        yield
    finally:
        os.close(lock)


def write_manifest(checkpoint: Path) -> None:
    """Flush every file of a checkpoint, then write their sizes and checksums, flushed and renamed into place."""
    files = {}
    for path in sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != MANIFEST):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
        files[str(path.relative_to(checkpoint))] = {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
    write_json(checkpoint / MANIFEST, files)


def damage(checkpoint: Path) -> str | None:
    """What keeps a checkpoint from being whole, as the end of a sentence; None when it is whole.

    Raises InputError when that cannot be told, because of a failing disk or a missing permission.
    """
    try:
        files = read_json(checkpoint / MANIFEST)
        for name, written in files.items():
            path = checkpoint / name
            if not path.is_file():
                return f"its {name} is missing"
            if path.stat().st_size != written["bytes"] or file_sha256(path) != written["sha256"]:
                return f"its {name} is not as it was written"
    except FileNotFoundError:
        return "it was not written to the end"
    except OSError as error:
        raise _unread(checkpoint, error) from error
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"its {MANIFEST} cannot be read"
    return None


def damage_of_state(checkpoint: Path) -> str | None:
    """What is wrong with a whole checkpoint's Trainer state or with the best one, whose model is loaded at the end."""
    if not (checkpoint / _STATE).exists():
        return f"its {_STATE} is missing"
    best = _state(checkpoint)["best_model_checkpoint"]
    if best is None or Path(best).name == checkpoint.name:
        return None
    reason = damage(checkpoint.parent / Path(best).name)
    return f"it needs {Path(best).name}, and {reason}" if reason else None


def newest_whole(
    folder: Path,
    say: Callable[[str], object] = print,
    damage_of_rest: Callable[[Path], str | None] = damage_of_state,
) -> Path | None:
    """The checkpoint to go on from; says which it is, and which newer ones it passed over and why.

    Those are set aside: they would count among the newest. `drop_old` removes them once they are made up for.
    """
    checkpoints = _newest_first(folder)
    for checkpoint in checkpoints:
        if (reason := damage(checkpoint) or damage_of_rest(checkpoint)) is None:
            say(f"going on from {checkpoint}")
            return checkpoint
        say(f"passed over {checkpoint}: {reason}")
        _set_aside(checkpoint)
    if checkpoints:
        say(f"no checkpoint in {folder} is whole: training starts anew")
    return None


def training_ended(checkpoint: Path) -> bool:
    """Whether the training had come to its end, by its last epoch or by early stopping, when this was written."""
    control = _state(checkpoint)["stateful_callbacks"]["TrainerControl"]
    return bool(control["args"]["should_training_stop"])


def epochs_done(checkpoint: Path) -> float:
    """Passes over the training split that the checkpoint holds."""
    return float(_state(checkpoint)["epoch"])


def drop_old(folder: Path, best: str | None) -> None:
    """Keep two: the newest, and the best one or, where that is the newest, the one before.

    Of those that were passed over, keep what goes further than the newest.
    """
    newest, *older = _newest_first(folder)
    second = [checkpoint for checkpoint in older if best and checkpoint.name == Path(best).name] or older[:1]
    made_up_for = [path for path in _newest_first(folder, _PASSED_OVER) if step_of(path) <= step_of(newest)]
    for checkpoint in [*older, *made_up_for]:
        if checkpoint not in second:
            shutil.rmtree(checkpoint, ignore_errors=True)


@contextmanager
def room_for(folder: Path, what: str) -> Iterator[None]:
    """Turns a full disk while `folder` is written into an InputError; what was written of it is removed."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        if not _disk_is_full(error):
            raise
        shutil.rmtree(folder, ignore_errors=True)
        raise InputError(f"expected space for {what} in {folder.parent}, found none; free some and rerun") from error


def _disk_is_full(error: BaseException | None) -> bool:
    """Torch and safetensors give the reason as text only, or in the error that theirs came from."""
    while error is not None:
        if getattr(error, "errno", None) in DISK_IS_FULL or any(sign in str(error) for sign in _FULL_SIGNS):
            return True
        error = error.__cause__ or error.__context__
    return False


def _state(checkpoint: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = read_json(checkpoint / _STATE)
    except OSError as error:
        raise _unread(checkpoint, error) from error
    return state


def _unread(checkpoint: Path, error: OSError) -> InputError:
    """What may read well the next time is no damage, and no reason to train it anew."""
    return InputError(
        f"expected to read {error.filename or checkpoint}, got: {error.strerror}; "
        "run the same command again once it can be read"
    )


def _set_aside(checkpoint: Path) -> None:
    """Under another name; of several of one step the first stays: what came next was a repetition."""
    aside = checkpoint.with_name(f"{_PASSED_OVER}{step_of(checkpoint)}")
    if aside.exists():
        shutil.rmtree(checkpoint, ignore_errors=True)
    else:
        with suppress(FileNotFoundError):  # another process of the run has done it
            checkpoint.rename(aside)


def _newest_first(folder: Path, name: str = _NAME) -> list[Path]:
    found = [path for path in folder.glob(f"{name}*") if path.name.removeprefix(name).isdigit()]
    return sorted(found, key=step_of, reverse=True)


def step_of(checkpoint: Path) -> int:
    """The optimiser step that a checkpoint was saved after."""
    return int(checkpoint.name.rpartition("-")[2])
