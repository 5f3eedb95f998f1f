"""Which input file goes to which output file: a file, several files, a folder or a glob."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wijha.errors import InputError
from wijha.records import SUFFIXES, form_of, packing_of, suffix_of
from wijha.writing import target_suffix

_MAGIC = ("*", "?", "[")


@dataclass(frozen=True)
class Pair:
    """One input, its output, and the name by which ledger and quarantine call it."""

    name: str
    source: Path
    target: Path

    @property
    def suffix(self) -> str:
        """The format of the output."""
        return target_suffix(self.target)


@dataclass(frozen=True)
class Places:
    """Where a job keeps what is neither input nor output."""

    out: Path

    @property
    def job(self) -> Path:
        """Folder of the unfinished job."""
        return self._beside(".job")

    @property
    def quarantine(self) -> Path:
        """File of the rows that were set aside."""
        return self._beside(".quarantine.jsonl")

    def _beside(self, ending: str) -> Path:
        """A path beside OUT, which has a name of its own even where it is given as `.` or `..`."""
        out = self.out if self.out.name.strip(".") else Path(os.path.abspath(self.out))
        return out.parent / f"{out.name}{ending}"


def pair_up(sources: Sequence[str], out: Path, form: str | None = None, folder: bool = False) -> list[Pair]:
    """Every input with its output; a file that is named twice counts once.

    One plain file goes to the file `out`, unless that is to be a `folder`. Several, a folder or a glob go to the folder
    `out`, under the names that they have below what is common to them, in their own format (.txt becomes .jsonl) or in
    that of `form`. Raises InputError when there is none, when `out` is not what it is to be, when two would share an
    output or one would leave the folder.
    """
    found = [_expand(source, out) for source in sources]
    files = list({os.path.abspath(file): file for _, _, several in found for file in several}.values())
    if len(files) == 1 and not any(several for several, _, _ in found) and not out.is_dir() and not folder:
        suffix = target_suffix(out)
        if form and suffix != f".{form}":
            raise InputError(f"expected a .{form} output with --format {form}, got {out}; rename it or drop --format")
        pairs = [Pair(files[0].name, files[0], out)]
    else:
        root = Path(os.path.commonpath([root for _, root, _ in found]))
        pairs = [_mirrored(file, root, out, form) for file in files]
    _check(pairs, out)
    return pairs


def _expand(source: str, out: Path) -> tuple[bool, Path, list[Path]]:
    """(whether it may name several, the folder that names are relative to, the files in order)."""
    path = Path(os.path.abspath(source))
    if path.is_dir():
        root, names = path, [str(name) for name in path.rglob("*")]
    elif any(sign in source for sign in _MAGIC) and not path.exists():
        parts = path.parts
        fixed = next(i for i, part in enumerate(parts) if any(sign in part for sign in _MAGIC))
        root, names = Path(*parts[:fixed]), glob.glob(str(path), recursive=True)
    else:
        suffix_of(path)
        return False, path.parent, [Path(source)]
    files = sorted(Path(name) for name in names if _is_input(Path(name), root, Path(os.path.abspath(out))))
    if not files:
        raise InputError(f"expected {', '.join(SUFFIXES)} files in {source}, found none; check the path")
    return True, root, files


def _is_input(path: Path, root: Path, out: Path) -> bool:
    places = Places(out)
    inside = out in path.parents or places.job in path.parents or path == places.quarantine
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return form_of(path) in SUFFIXES and path.is_file() and not inside and not hidden


def _mirrored(source: Path, root: Path, out: Path, form: str | None) -> Pair:
    name = Path(os.path.abspath(source)).relative_to(root)
    plain = name.with_suffix("") if packing_of(name) else name
    suffix = f".{form}" if form else suffix_of(source)
    target = out / plain.with_suffix(".jsonl" if suffix == ".txt" else suffix)
    if not target.parent.resolve().is_relative_to(out.resolve()):
        raise InputError(f"expected outputs inside {out}, found a link out of it at {target.parent}; remove the link")
    return Pair(str(name), source, target)


def _check(pairs: Sequence[Pair], out: Path) -> None:
    inputs = f"{len(pairs)} inputs" if len(pairs) > 1 else "a folder or glob"
    if pairs[0].target != out and (out.is_file() or form_of(out) in SUFFIXES):
        raise InputError(f"expected a folder as output of {inputs}, got {out}; name a folder")
    sources, targets = {pair.source.resolve() for pair in pairs}, dict[Path, Pair]()
    for pair in pairs:
        _check_text(pair.source)
        _check_text(pair.target)
        if pair.target.resolve() in sources:
            raise InputError(f"expected an output other than the input {pair.target}; name another")
        other = targets.setdefault(pair.target, pair)
        if other is not pair:
            raise InputError(
                f"expected inputs of different names, {other.name} and {pair.name} both go to {pair.target}; rename one"
            )


def _check_text(path: Path) -> None:
    """Raises InputError when a path is no text: it could be neither noted nor printed."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(f"expected a path in UTF-8, found {os.fsencode(path)!r}; rename it") from error
