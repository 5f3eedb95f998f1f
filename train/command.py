"""What every recipe's command line does: a config, settings that override it, errors in one sentence."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from accelerate import PartialState
from transformers.utils import logging

from train.config import Config, load_config
from wijha.errors import InputError, told


def run(description: str | None, kind: type[Config], recipe: Callable[..., Any], **options: Mapping[str, Any]) -> None:
    """Parse `CONFIG [--option value ...] [--setting value ...]`, check it and call the recipe with the config and the
    options; exit code 2 for an InputError. `options` are the keywords of argparse's `add_argument`, by name."""
    parser = command_line(description)
    parser.add_argument("config", type=Path, help="YAML of settings; each can be overridden: --setting value")
    for name, keywords in options.items():
        parser.add_argument(f"--{name}", **keywords)
    arguments, rest = parser.parse_known_args()
    with one_sentence_errors():
        config = load_config(kind, arguments.config, **overrides(rest))
        recipe(config, **{name: getattr(arguments, name) for name in options})


def command_line(description: str | None) -> argparse.ArgumentParser:
    """A parser whose help is a module's docstring as it stands; what transformers says beside a recipe goes."""
    logging.set_verbosity_error()  # the run's own bar and tables are what a user needs to see
    logging.disable_progress_bar()
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def processes() -> PartialState:
    """The processes of a run: this one alone, or those that torchrun began, on a CPU too."""
    return PartialState(cpu=not torch.cuda.is_available())


def leave_together() -> None:
    """Ends a run of several processes: the first may still be scoring, and a connection that nobody closes aborts.

    The caller has let go of its trainer and model. What they leave behind, in cycles, goes here and not after the
    group: DDP's part that frees the group last joins its threads with Python's lock held, which they may wait for.
    """
    state = processes()
    state.wait_for_everyone()
    gc.collect()
    state.destroy_process_group()


def overrides(words: list[str]) -> dict[str, Any]:
    """`--batch 16 --data a.jsonl,b.jsonl` as settings; values are read as YAML, lists as comma-separated."""
    settings: dict[str, Any] = {}
    for name, value in zip(words[::2], words[1::2], strict=False):
        if not name.startswith("--"):
            raise InputError(f"expected --setting value, got {name!r}; see the config for the settings")
        try:
            parsed = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2024-13-01
            raise InputError(
                f"expected YAML after {name}, got {value!r}; a text takes quotes: {name} '\"...\"'"
            ) from error
        settings[name[2:].replace("-", "_")] = value.split(",") if isinstance(parsed, str) and "," in value else parsed
    if len(words) % 2:
        raise InputError(f"expected --setting value, got {words[-1]!r} without a value; add it")
    return settings


class one_sentence_errors:  # noqa: N801
    """Turns an InputError, and what the system says of a path, into one sentence on stderr and exit code 2."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if sentence := told(error):
            print(f"error: {sentence}", file=sys.stderr)
            raise SystemExit(2) from None
