"""Folders of .parquet files classified on many machines: `classify_table` in a pool of actors over Ray Data.

Every worker needs the installed package and the model folder under the same path, and IN and OUT on a file system that
all of them see. Partitions in the paths of the input (year=2024/) are columns, and partitions of the output again.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from wijha.chunks import check_new, shown
from wijha.classifier import Classifier, default_model
from wijha.errors import InputError
from wijha.extras import need
from wijha.jobs import Interrupted
from wijha.paths import pair_up
from wijha.predict import added_columns, classify_table
from wijha.records import SUFFIXES, check_names, form_of, suffix_of

_ROWS_A_BATCH = 4_096
_LOCAL_ONLY = ("articles", "strict", "resume", "restart", "format", "chunk_rows")


class Worker:
    """One loaded model; Ray calls it with a table at a time."""

    def __init__(self, model: str, column: str, runtime: str, towards: str | None = None) -> None:
        self._classifier = Classifier.load(model, runtime=runtime, towards=towards)
        self._column = column

    def __call__(self, table: pa.Table) -> pa.Table:
        """The table with the added columns."""
        return classify_table(table, self._classifier, self._column)


def predict_with_ray(arguments: Namespace) -> None:
    """`wijha predict IN OUT --engine ray`: .parquet files of a folder or glob into the folder OUT.

    Raises InputError when ray is missing, an option is of the local engine only, an input has no text column or the
    output is there already.
    """
    ray, workers = _ray(), arguments.workers or 1
    out = Path(os.path.abspath(arguments.target))
    columns, root = _sources(arguments, out)
    sources = list(columns)
    model = str(Path(os.path.abspath(arguments.model or default_model())))
    towards = arguments.towards
    # A wrong model, or one that cannot be asked, is told here, in one sentence.
    classifier = Classifier.load(model, runtime=arguments.runtime, towards=towards)
    for path, names in columns.items():
        check_new(path, names, added_columns(classifier.schema))
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order, context.enable_progress_bars = True, False
    context.use_datasource_v2 = False  # which on a cluster let files change places all the same
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    _start(ray, workers)
    unfinished = out.with_name(f".{out.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        rows = ray.data.read_parquet([str(path) for path in sources], partitioning=_hive(ray, root)).map_batches(
            Worker,
            batch_format="pyarrow",
            batch_size=_ROWS_A_BATCH,
            fn_constructor_args=(model, arguments.text_column, arguments.runtime, towards),
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_gpus=1 if ray.cluster_resources().get("GPU", 0) >= workers else 0,
        )
        rows.write_parquet(str(unfinished), partition_cols=_partitions(sources[0], root) or None)
        _complete(unfinished, sources)
        os.replace(unfinished, out)
    except Interrupted as stop:
        stop.note = "stopped: Ray keeps nothing of a job that is not done; run it again"
        raise
    except (ray.exceptions.RayError, OSError) as error:
        cause = str(error).partition("\n\nThe above exception")[0]  # in a worker; behind it stands Ray's own advice
        reason = (cause.strip().splitlines() or [type(error).__name__])[-1]
        raise InputError(f"expected Ray to write {out}, got: {reason}; mend that and run it again") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    _report(out, added_columns(classifier.schema)[0], f"ray, {workers} workers, {classifier.runtime_name}")


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    need("ray.data", "ray")
    return need("ray", "ray")


def _start(ray: Any, workers: int) -> None:
    """The cluster of RAY_ADDRESS, else this machine. Each worker holds a CPU; one more has to read and write.

    SIGTERM stays what it was: Ray would end the process by itself.
    """
    quiet = {"ignore_reinit_error": True, "log_to_driver": False, "logging_level": "ERROR"}
    address, handler = os.environ.get("RAY_ADDRESS"), signal.getsignal(signal.SIGTERM)
    if address:
        try:
            ray.init(**quiet)
        except ConnectionError as error:
            raise InputError(
                f"expected a Ray cluster at RAY_ADDRESS={address}, found none that lets it in; run ray start --head, "
                "unset it, or see docs/cluster.md on tokens"
            ) from error
    else:
        ray.init(num_cpus=max(os.cpu_count() or 1, workers + 1), include_dashboard=False, **quiet)
    if signal.getsignal(signal.SIGTERM) is not handler:
        signal.signal(signal.SIGTERM, handler)
    if (found := int(ray.cluster_resources().get("CPU", 0))) <= workers:
        raise InputError(f"expected more than {workers} CPUs for {workers} workers, found {found}; lower --workers")


def _sources(arguments: Namespace, out: Path) -> tuple[dict[Path, list[str]], Path]:
    """The input files, checked, with their columns; and the folder below which their paths tell partitions."""
    if given := [name for name in _LOCAL_ONLY if getattr(arguments, name)]:
        option = given[0].replace("_", "-")
        raise InputError(f"expected no --{option} with --engine ray, found it; use --engine local for it")
    if form_of(out) in SUFFIXES:
        raise InputError(f"expected a folder as output of --engine ray, got {arguments.target}; name a folder")
    if out.exists():
        raise InputError(f"expected no output at {arguments.target} yet, found one; remove it or name another folder")
    pairs = pair_up(arguments.sources, out, "parquet", folder=True)
    paths = [Path(os.path.abspath(pair.source)) for pair in pairs]
    columns = {}
    for path in paths:
        if suffix_of(path) != ".parquet":
            raise InputError(f"expected .parquet files for --engine ray, got {path.name}; convert it")
        columns[path] = _columns(path, arguments.text_column)
    root = paths[0].parents[len(Path(pairs[0].name).parts) - 1]
    for path, names in columns.items():
        if twice := [name for name in _partitions(path, root) if name in names]:
            raise InputError(
                f"expected no column {twice[0]!r} in {path}, whose path gives it a value, found one; rename or drop it"
            )
    return columns, root


def _columns(path: Path, column: str) -> list[str]:
    """Names of the columns of a file that has this one."""
    try:
        names: list[str] = pq.read_schema(path).names
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"expected a whole .parquet file at {path}, got another; write it again") from error
    check_names(names, path)
    if column not in names:
        raise InputError(f"expected a column {column!r} in {path}, found {shown(names)}; pass --text-column NAME")
    return names


def _partitions(path: Path, root: Path) -> list[str]:
    """Names of the partitions in a path below `root`, outermost first."""
    return [part.split("=")[0] for part in path.parent.relative_to(root).parts if "=" in part]


def _hive(ray: Any, root: Path) -> Any:
    return ray.data.datasource.partitioning.Partitioning("hive", base_dir=str(root))


def _complete(written: Path, sources: Sequence[Path]) -> None:
    """Raises InputError unless as many rows were written as read."""
    expected = sum(pq.read_metadata(path).num_rows for path in sources)
    found = ds.dataset(written, format="parquet").count_rows()
    if found != expected:
        raise InputError(f"expected {expected:,} rows from Ray, found {found:,}; nothing was kept: run it again")


def _report(out: Path, column: str, how: str) -> None:
    table = ds.dataset(out, format="parquet", partitioning="hive")
    count, without = table.count_rows(), table.count_rows(filter=ds.field(column).is_null())
    print(f"{count:,} rows -> {out} ({how})")
    if without:
        print(f"{without:,} of them hold no text: their added columns are null")
