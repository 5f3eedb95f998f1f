"""A classified archive whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

LABELS = ("absent", "neutral", "favor", "against")
PREVALENCE = {"peace": (0.94, 0.02, 0.03, 0.01), "zones": (0.96, 0.02, 0.015, 0.005)}
SAYS = ((0.995, 0.003, 0.0015, 0.0005), (0.2, 0.6, 0.15, 0.05), (0.1, 0.2, 0.65, 0.05), (0.15, 0.1, 0.2, 0.55))
SENTENCES = 4_000


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two topics; a model that errs, and is less sure where it does. The text is the row's number."""
    dice, columns = np.random.default_rng(1), {"text": [str(number) for number in range(SENTENCES)]}
    columns["outlet"] = ["one", "two"] * (SENTENCES // 2)
    folder = tmp_path_factory.mktemp("archive")
    for topic, shares in PREVALENCE.items():
        true = dice.choice(4, SENTENCES, p=shares)
        said = np.array([dice.choice(4, p=SAYS[label]) for label in true])
        columns[f"{topic}_stance"] = [LABELS[label] for label in said]
        columns[f"{topic}_score"] = np.where(said == true, 0.99, 0.99 - dice.random(SENTENCES) / 2).tolist()
        columns[f"true_{topic}"] = [LABELS[label] for label in true]
    pq.write_table(pa.table(columns), folder / "archive.parquet", row_group_size=500)  # DuckDB reads them in parallel
    return folder / "archive.parquet"


@pytest.fixture(scope="session")
def truth(archive: Path) -> dict[str, dict[str, str]]:
    """text -> topic -> label."""
    rows = pq.read_table(archive).to_pylist()
    return {row["text"]: {topic: row[f"true_{topic}"] for topic in PREVALENCE} for row in rows}
