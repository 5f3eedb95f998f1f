"""One stock model at work: texts to token ids, token ids to raw outputs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors import SafetensorError

from wijha.batching import map_batched
from wijha.errors import InputError
from wijha.runtime import Runtime, load_runtime
from wijha.safety import refuse_code
from wijha.tokenizer import TextEncoder

_TOO_LITTLE_MEMORY = re.compile("cannot allocate|can't allocate|temporarily unavailable|bad_alloc", re.IGNORECASE)
TARGET_SHARE = 4
"""A target may fill at most a fourth of what the model reads."""


@contextmanager
def whole_model(folder: Path) -> Iterator[None]:
    """What the libraries raise that open a folder's files becomes an InputError that names the folder."""
    try:
        yield
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(
            f"expected to read {error.filename or folder}, found it closed to this user; open it"
        ) from error
    except (OSError, ValueError, TypeError, AttributeError, RuntimeError, KeyError, SafetensorError) as error:
        if _TOO_LITTLE_MEMORY.search(str(error)):
            raise InputError(f"expected memory for the model in {folder}, found too little; free some") from error
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = lines[-1 if lines[0].startswith("Exception from") else 0]  # OpenVINO begins with a line of its own
        raise InputError(f"expected a whole model in {folder}, got: {reason}; copy or train it again") from error


def check_target(target: object, tokens: int, known: bool, longest: int, place: str = "") -> None:
    """Raises InputError for a target of more tokens than a fourth of what a model reads, its [SEP] among them, or
    without a word that it knows."""
    most = longest // TARGET_SHARE - 1
    if tokens > most or not known:
        raise InputError(
            f"expected a target of 1 to {most} tokens, known words among them,{place and f' in {place},'} "
            f"got {target!r}; name it in a few words"
        )


class Reader:
    """The tokenizer and the network of a model folder; it knows nothing of topics and labels."""

    def __init__(self, folder: Path, runtime: Runtime) -> None:
        """Raises OSError or ValueError when a file of the tokenizer is missing or broken."""
        self.folder, self.runtime = folder, runtime
        self._encoder, self._process = TextEncoder(folder), os.getpid()

    @classmethod
    def load(cls, folder: Path, device: str | None = None, runtime: str = "auto") -> Reader:
        """Open a folder. Raises InputError where it asks for code, where it is not whole and where the runtime cannot
        be had."""
        with whole_model(folder):
            refuse_code(folder)
            return cls(folder, load_runtime(folder, device, runtime))

    @property
    def longest(self) -> int:
        """How many tokens the model reads of a text."""
        return self._encoder.longest

    def token_ids(self, texts: Sequence[str], target: Sequence[int] = ()) -> list[list[int]]:
        """What the model reads of each text, and behind it of a `target`: token ids, special tokens included; the text
        is cut at the model's length."""
        return self._encoder.ids(texts, target)

    def target_ids(self, target: str) -> list[int]:
        """What the model reads of a target behind a text: token ids and a [SEP].

        Raises InputError for a target that is empty, is longer than a fourth of what the model reads, is no text, or
        has nothing but special tokens and signs that the model does not know.
        """
        ids = self._encoder.ids([target])[0][1:] if isinstance(target, str) and _whole(target) else []
        check_target(target, len(ids) - 1, bool(self._encoder.known(ids)), self.longest)
        return ids

    def logits(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        """The model's raw outputs for token ids that `token_ids` gave, shape (texts, outputs); at least one text.

        Raises InputError in a fork of the process that loaded the model: the threads that compute are not there, and it
        would wait for them for ever.
        """
        if os.getpid() != self._process:
            raise InputError("expected the process that loaded the model, found a fork of it; load it in each process")
        runtime, pad = self.runtime, self._encoder.pad
        rows = map_batched(
            ids,
            [len(row) for row in ids],
            lambda batch: runtime.logits(batch, pad),
            runtime.tokens,
            runtime.step,
            runtime.workers,
        )
        return np.stack(rows)


def _whole(text: str) -> bool:
    """Whether UTF-8 can hold it: a word of a command line in another encoding holds halves of surrogate pairs."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
