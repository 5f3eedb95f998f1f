"""Which input file goes to which output file: a file, several files, a folder or a glob."""

from __future__ import annotations

import errno
import glob
import os
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wijha.errors import InputError
from wijha.files import temporary
from wijha.records import SUFFIXES, form_of, packing_of, suffix_of
from wijha.writing import TARGETS, target_suffix

_MAGIC = ("*", "?", "[")
_KINDS_SHOWN = 3
_NAME_BYTES = 255  # of most file systems


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

    @property
    def receipt(self) -> Path:
        """File that says what a finished job was made of; see wijha.receipt."""
        return self._beside(".receipt.json")

    def _beside(self, ending: str) -> Path:
        """A path beside OUT, which has a name of its own even where it is given as `.` or `..`."""
        out = self.out if self.out.name.strip(".") else Path(os.path.abspath(self.out))
        return out.parent / f"{out.name}{ending}"


def pair_up(sources: Sequence[str], out: Path, form: str | None = None, folder: bool = False) -> list[Pair]:
    """Every input with its output; a file that is named twice, or linked, counts once.

    One plain file goes to the file `out`, unless that is to be a `folder`. Several, a folder or a glob go to the folder
    `out`, under the names that they have below what is common to them, in their own format (.txt becomes .jsonl) or in
    that of `form`. Raises InputError when there is none, when `out` is not what it is to be, when two would share an
    output or one would leave the folder.
    """
    _check_length(out, Places(out).job, temporary(Places(out).quarantine))
    _check_links(out)
    found = [_expand(source, out) for source in sources]
    files = _once(file for _, _, several in found for file in several)
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


def outputs_below(folder: Path) -> list[Path]:
    """The outputs of jobs in a folder, sorted: nothing hidden, no rows that were set aside, no unfinished job."""
    found = []
    for path in sorted(_below(folder, folder)) if folder.is_dir() else ():
        hidden = any(part.startswith(".") or part.endswith(".job") for part in path.relative_to(folder).parts)
        if not hidden and not path.name.endswith(".quarantine.jsonl") and is_output(path):
            found.append(path)
    return found


def is_output(path: Path) -> bool:
    """Whether a path is a file of a format that jobs write."""
    return form_of(path) in TARGETS and not packing_of(path) and path.is_file()


def left_out(sources: Sequence[str], out: Path) -> str:
    """A clause about what is passed over in the folders and globs among `sources`: files of other formats, and folders
    of which nothing is an input; empty where there is none."""
    seen = {path for source in sources for path in _named(source, out)[2] if not _is_ours(path, out)}
    opened = {folder for path in seen if not path.is_dir() for folder in path.parents}
    opened |= {Path(os.path.abspath(source)) for source in sources}
    folders = sum(path.is_dir() and path not in opened for path in seen)
    kinds = Counter(_kind(path) for path in sorted(seen) if path.is_file() and form_of(path) not in SUFFIXES)
    shown = ", ".join(kind for kind, _ in kinds.most_common(_KINDS_SHOWN)) + ", ..." * (len(kinds) > _KINDS_SHOWN)
    said = f"; files of other formats left out: {kinds.total():,} ({shown})" if kinds else ""
    return said + (f"; folders left out, as a pattern takes files: {folders:,}" if folders else "")


def _kind(path: Path) -> str:
    return form_of(path) or path.suffix.lower() or "no suffix"


def _is_ours(path: Path, out: Path) -> bool:
    """Whether a path is hidden, OUT, in it or beside it as what a job writes."""
    out, places = Path(os.path.abspath(out)), Places(Path(os.path.abspath(out)))
    written = {out, places.job, places.quarantine, places.receipt}
    return path.name.startswith(".") or not written.isdisjoint((path, *path.parents))


def _once(files: Iterable[Path]) -> list[Path]:
    """Each file once, rather without a link in its name."""
    found = dict[Path, Path]()
    for file in files:
        real = _real(file)
        other = found.setdefault(real, file)
        if other is not file and _links(file) < _links(other):
            found[real] = file
    return list(found.values())


def _real(path: Path) -> Path:
    """A path without links in it."""
    _check_links(path)
    return path.resolve()


def _links(path: Path) -> int:
    absolute = Path(os.path.abspath(path))
    return sum(each.is_symlink() for each in (absolute, *absolute.parents))


def _expand(source: str, out: Path) -> tuple[bool, Path, list[Path]]:
    """(whether it may name several, the folder that names are relative to, the files in order)."""
    several, root, names = _named(source, out)
    if not several:
        suffix_of(names[0])
        if not names[0].is_file():
            raise InputError(f"expected a file that can be read twice, got {source}; write its rows to a file first")
        return False, root, names
    files = sorted(name for name in names if _is_input(name, root, Path(os.path.abspath(out))))
    if not files and _real(root).is_relative_to(_real(out)):
        raise InputError(f"expected inputs outside of OUT, found {source} in {out}; name another OUT")
    if not files:
        raise InputError(f"expected {', '.join(SUFFIXES)} files in {source}, found none; check the path")
    return True, root, files


def _named(source: str, out: Path) -> tuple[bool, Path, list[Path]]:
    """As `_expand`, of whichever format."""
    path = Path(os.path.abspath(source))
    magic = _first_magic(path) if any(sign in source for sign in _MAGIC) else 0
    if os.path.isdir(path):
        return True, path, _below(path, out)
    if magic:
        root = Path(*path.parts[:magic])
        pattern = os.path.join(glob.escape(str(root)), *path.parts[magic:])
        return True, root, [Path(name) for name in glob.glob(pattern, recursive=True)]
    if not os.path.exists(path):
        raise InputError(f"expected a file or a folder at {source}, found none; check the path")
    return False, path.parent, [Path(source)]


def _first_magic(path: Path) -> int:
    """The place of the first part of a path that names what is not there as it stands; 0 where none is a pattern."""
    parts = path.parts
    patterns = (place for place, part in enumerate(parts) if any(sign in part for sign in _MAGIC))
    return next((place for place in patterns if not os.path.lexists(Path(*parts[: place + 1]))), 0)


def _below(root: Path, out: Path) -> list[Path]:
    """The files of a folder and of the folders that are linked in it, each real folder once and rather without a link.

    Hidden folders and OUT are passed over. Raises InputError where a folder cannot be read.
    """
    files, folders, links = list[Path](), [root], deque[Path]()
    seen = {_real(out), _real(Places(out).job)} - {_real(root)}
    while folders or links:
        folder = folders.pop() if folders else links.popleft()
        if (real := _real(folder)) in seen:
            continue
        seen.add(real)
        for path in _listed(folder):
            if not path.is_dir():
                files.append(path)
            elif not path.name.startswith("."):
                (links if path.is_symlink() else folders).append(path)
    return files


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"expected to read {folder}, got: {error.strerror}; mend that or name its files") from error


def _is_input(path: Path, root: Path, out: Path) -> bool:
    places = Places(out)
    inside = out in path.parents or places.job in path.parents or path == places.quarantine
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    if form_of(path) not in SUFFIXES or inside or hidden:
        return False
    if path.is_symlink() and not os.path.exists(os.path.realpath(path)):
        raise InputError(f"expected a file behind the link {path}, found none; mend or remove it")
    return path.is_file()


def _mirrored(source: Path, root: Path, out: Path, form: str | None) -> Pair:
    name = Path(os.path.abspath(source)).relative_to(root)
    plain = name.with_suffix("") if packing_of(name) else name
    suffix = f".{form}" if form else suffix_of(source)
    target = out / plain.with_suffix(".jsonl" if suffix == ".txt" else suffix)
    if not _real(target.parent).is_relative_to(_real(out)):
        raise InputError(f"expected outputs inside {out}, found a link out of it at {target.parent}; remove the link")
    return Pair(str(name), source, target)


def _check(pairs: Sequence[Pair], out: Path) -> None:
    inputs = f"{len(pairs)} inputs" if len(pairs) > 1 else "a folder or glob"
    if pairs[0].target != out and out.is_dir() and form_of(out) in SUFFIXES:
        raise InputError(f"expected a folder with another name than a file's as OUT, got {out}; rename it")
    if pairs[0].target != out and (out.is_file() or form_of(out) in SUFFIXES):
        raise InputError(f"expected a folder as output of {inputs}, or of an OUT that ends in /, got {out}; name one")
    sources, targets, places = {_real(pair.source) for pair in pairs}, dict[Path, Pair](), Places(out)
    for path in (places.quarantine, places.job):
        if any(source.is_relative_to(_real(path)) for source in sources):
            raise InputError(f"expected other inputs than what a job writes, found {path}; name another OUT")
    for pair in pairs:
        _check_text(pair.source)
        _check_text(pair.target)
        _check_length(pair.target, temporary(pair.target))
        if _real(pair.target) in sources:
            raise InputError(f"expected an output other than the input {pair.target}; name another")
        other = targets.setdefault(pair.target, pair)
        if other is not pair:
            raise InputError(
                f"expected inputs of different names, {other.name} and {pair.name} both go to {pair.target}; rename one"
            )


def _check_length(path: Path, *written: Path) -> None:
    """Raises InputError when a name that is `written` for a path is longer than a file's name may be."""
    longest = max(len(os.fsencode(each.name)) for each in written)
    if longest > _NAME_BYTES:
        raise InputError(
            f"expected names of at most {_NAME_BYTES} bytes, found {longest} for what is written to {path}; shorten it"
        )


def _check_links(path: Path) -> None:
    """Raises InputError when the links in a path lead in a circle."""
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise InputError(f"expected links that lead somewhere, found a circle at {path}; remove it") from error


def _check_text(path: Path) -> None:
    """Raises InputError when a path is no text: it could be neither noted nor printed."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(f"expected a path in UTF-8, found {os.fsencode(path)!r}; rename it") from error
