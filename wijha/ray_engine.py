"""Folders of .parquet files classified on many machines: `classify_table` in a pool of actors over Ray Data.

Every worker needs the installed package and the model folder under the same path, and IN and OUT on a file system that
all of them see. Partitions in the paths of the input (year=2024/) are columns, and partitions of the output again.
"""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from wijha.classifier import Classifier, default_model
from wijha.errors import InputError
from wijha.extras import need
from wijha.paths import pair_up
from wijha.predict import added_columns, classify_table

_ROWS_A_BATCH = 4_096
_LOCAL_ONLY = ("articles", "strict", "resume", "restart", "format")


class Worker:
    """One loaded model; Ray calls it with a table at a time."""

    def __init__(self, model: str, column: str, runtime: str) -> None:
        self._classifier = Classifier.load(model, runtime=runtime)
        self._column = column

    def __call__(self, table: pa.Table) -> pa.Table:
        """The table with the added columns."""
        return classify_table(table, self._classifier, self._column)


def predict_with_ray(arguments: Namespace) -> None:
    """`wijha predict IN OUT --engine ray`: .parquet files of a folder or glob into the folder OUT.

    Raises InputError when ray is missing, an option is of the local engine only, an input has no text column or the
    output is there already.
    """
    ray = _ray()
    out = Path(os.path.abspath(arguments.target))
    sources = _sources(arguments, out)
    model = str(Path(os.path.abspath(arguments.model or default_model())))
    schema = Classifier.load(model, runtime=arguments.runtime).schema  # a wrong model is told here, in one sentence
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order, context.enable_progress_bars = True, False
    _start(ray, arguments.workers)
    rows = ray.data.read_parquet([str(path) for path in sources], partitioning=_hive(ray)).map_batches(
        Worker,
        batch_format="pyarrow",
        batch_size=_ROWS_A_BATCH,
        fn_constructor_args=(model, arguments.text_column, arguments.runtime),
        compute=ray.data.ActorPoolStrategy(size=arguments.workers),
        num_gpus=1 if ray.cluster_resources().get("GPU", 0) >= arguments.workers else 0,
    )
    unfinished = out.with_name(f".{out.name}.part")
    rows.write_parquet(str(unfinished), partition_cols=_partitions(sources[0]) or None, mode="overwrite")
    os.replace(unfinished, out)
    _report(out, added_columns(schema)[0], arguments.workers)


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    need("ray.data", "ray")
    return need("ray", "ray")


def _start(ray: Any, workers: int) -> None:
    """The cluster of RAY_ADDRESS, else this machine. Each worker holds a CPU; one more has to read and write."""
    quiet = {"ignore_reinit_error": True, "log_to_driver": False, "logging_level": "ERROR"}
    if os.environ.get("RAY_ADDRESS"):
        ray.init(**quiet)
    else:
        ray.init(num_cpus=max(os.cpu_count() or 1, workers + 1), include_dashboard=False, **quiet)
    if (found := int(ray.cluster_resources().get("CPU", 0))) <= workers:
        raise InputError(f"expected more than {workers} CPUs for {workers} workers, found {found}; lower --workers")


def _sources(arguments: Namespace, out: Path) -> list[Path]:
    """The input files, checked."""
    if given := [name for name in _LOCAL_ONLY if getattr(arguments, name)]:
        raise InputError(f"expected no --{given[0]} with --engine ray, found it; use --engine local for it")
    if out.exists():
        raise InputError(f"expected no output at {arguments.target} yet, found one; remove it or name another folder")
    paths = [Path(os.path.abspath(pair.source)) for pair in pair_up(arguments.sources, out, "parquet")]
    for path in paths:
        if path.suffix != ".parquet":
            raise InputError(f"expected .parquet files for --engine ray, got {path.name}; convert it")
        _check(path, arguments.text_column)
    return paths


def _check(path: Path, column: str) -> None:
    try:
        names = pq.read_schema(path).names
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"expected a whole .parquet file at {path}, got another; write it again") from error
    if column not in names:
        raise InputError(f"expected a column {column!r} in {path}, found {', '.join(names)}; pass --text-column NAME")


def _partitions(path: Path) -> list[str]:
    """Names of the partitions in a path, outermost first."""
    return [part.split("=")[0] for part in path.parent.parts if "=" in part]


def _hive(ray: Any) -> Any:
    return ray.data.datasource.partitioning.Partitioning("hive")


def _report(out: Path, column: str, workers: int) -> None:
    table = ds.dataset(out, format="parquet", partitioning="hive")
    count, without = table.count_rows(), table.count_rows(filter=ds.field(column).is_null())
    print(f"{count:,} rows -> {out} (ray, {workers} workers)")
    if without:
        print(f"{without:,} of them hold no text: their added columns are null")
