"""Tasks of a Label Studio export, JSON or JSON-MIN, as rows with a column a control."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wijha.errors import InputError
from wijha.writing import Row


class Export(NamedTuple):
    """What a file of tasks holds."""

    rows: list[tuple[int, Row | None]]
    """Number and row of each task; None where nobody, or not the annotator asked for, has done it."""
    controls: list[str]
    """The controls that somebody used; of JSON-MIN all columns, which does not tell them apart."""
    people: list[str]
    """Who has annotated."""


def read_export(source: Path, annotator: str = "") -> Export:
    """Read a file of tasks. Raises InputError that names the first task that is not as Label Studio writes it, or that
    has several annotations while no annotator is chosen."""
    try:
        tasks = json.loads(source.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"expected a Label Studio JSON export at {source}, found {error}; export it again") from error
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise InputError(f"expected a list of tasks in {source}, found something else; export it as JSON or JSON-MIN")
    rows: list[tuple[int, Row | None]] = []
    controls: dict[str, None] = {}
    people: dict[str, None] = {}
    for number, task in enumerate(tasks, 1):
        if "data" not in task:
            rows.append((number, task))
            controls |= dict.fromkeys(task)
            continue
        where = f"task {number} of {source}"
        data = _of(dict, task["data"], "data", where)
        done = [(_identities(one.get("completed_by")), _choices(one, where)) for one in _annotations(task, where)]
        people |= dict.fromkeys(names[0] for names, _ in done)
        controls |= dict.fromkeys(name for _, choices in done for name in choices)
        chosen = _chosen(done, annotator, where)
        rows.append((number, None if chosen is None else data | chosen))
    return Export(rows, list(controls), sorted(people))


def _annotations(task: Row, where: str) -> list[Row]:
    found = _of(list, task.get("annotations") or [], "annotations", where)
    return [one for one in found if not _of(dict, one, "annotation", where).get("was_cancelled")]


def _choices(annotation: Row, where: str) -> dict[str, str]:
    """Control -> what was chosen there; results of other kinds have none."""
    found = {}
    for result in _of(list, annotation.get("result") or [], "result", where):
        value = _of(dict, _of(dict, result, "result", where).get("value") or {}, "value", where)
        if choices := _of(list, value.get("choices") or [], "choices", where):
            control = _of(str, result.get("from_name"), "from_name", where)
            found[control] = " + ".join(_of(str, choice, "choice", where) for choice in choices)
    return found


def _of(kind: type, value: Any, name: str, where: str) -> Any:
    if not isinstance(value, kind):
        wanted = {dict: "an object", list: "a list", str: "a text"}[kind]
        raise InputError(f"expected {wanted} as {name} in {where}, found {value!r:.60}; export it again")
    return value


def _chosen(done: Sequence[tuple[list[str], dict[str, str]]], annotator: str, where: str) -> dict[str, str] | None:
    """The choices of a task's one annotation, or of the one by the annotator asked for; None without."""
    wanted = [each for each in done if annotator in ("", *each[0])]
    if len(wanted) > 1:
        people = ", ".join(sorted({names[0] for names, _ in wanted}))
        raise InputError(
            f"expected one annotation in {where}, found {len(wanted)} by {people}; choose with --annotator"
        )
    return wanted[0][1] if wanted else None


def _identities(person: Any) -> list[str]:
    """How `completed_by` may be called: a number, or a number, an address and a name."""
    known = [person.get(key) for key in ("email", "id", "username")] if isinstance(person, dict) else [person]
    return [str(one) for one in known if one is not None] or ["unknown"]
