"""manifest.json: whatever becomes of a file of a saved model, loading names it."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from wijha import Classifier, InputError
from wijha.files import write_json
from wijha.manifest import MANIFEST, check_manifest, write_manifest

_SAVED = ["config.json", "golden.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]


@pytest.fixture(scope="module")
def sealed(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with files where an export has its own; none is admitted, so torch computes."""
    folder = Path(shutil.copytree(model, tmp_path_factory.mktemp("sealed") / "model"))
    (folder / "openvino").mkdir(exist_ok=True)
    for name in ("half.xml", "half.bin"):
        (folder / "openvino" / name).write_bytes(random.Random(name).randbytes(3_000))
    write_json(folder / "export.json", {"weights": "", "openvino": {}})
    write_manifest(folder)
    return folder


@pytest.fixture
def folder(sealed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed, tmp_path / "model"))


def test_a_run_ends_with_a_manifest_of_what_loading_reads(model: Path, sealed: Path) -> None:
    assert sorted(check_manifest(model) or {}) == _SAVED
    exported = ["export.json", "openvino/half.bin", "openvino/half.xml"]
    assert sorted(check_manifest(sealed) or {}) == sorted(_SAVED + exported)
    assert Classifier.load(sealed).runtime_name.startswith("torch")


def test_whoever_may_read_the_config_may_read_the_weights(folder: Path) -> None:
    (folder / "model.safetensors").chmod(0o600)
    (folder / "config.json").chmod(0o644)
    write_manifest(folder)
    assert (folder / "model.safetensors").stat().st_mode & 0o777 == 0o644


def test_every_flipped_bit_is_caught_and_its_file_named(folder: Path) -> None:
    numbers, listed = random.Random(5), check_manifest(folder)
    assert listed
    positions = 0
    for name in [*listed, MANIFEST]:
        path, whole = folder / name, (folder / name).read_bytes()
        for position in (0, len(whole) - 1, *numbers.sample(range(len(whole)), 8)):
            changed = bytearray(whole)
            changed[position] ^= 1 << numbers.randrange(7)
            path.write_bytes(changed)
            with pytest.raises(InputError, match=r"expected .*; copy or train the model again") as caught:
                Classifier.load(folder)
            assert name == MANIFEST or str(path) in str(caught.value)
            positions += 1
        path.write_bytes(whole)
    assert positions == 90 and Classifier.load(folder)


@pytest.mark.parametrize("name", [*_SAVED, "openvino/half.bin"])
def test_a_missing_and_a_shortened_file_are_named(folder: Path, name: str) -> None:
    path = folder / name
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(InputError, match=rf"{name} as .* got {len(content) - 1:,} bytes instead of {len(content):,};"):
        Classifier.load(folder)
    path.unlink()
    with pytest.raises(InputError, match=rf"{name} as manifest\.json lists it, got no such file;"):
        Classifier.load(folder)


def test_a_file_that_loading_would_read_must_be_listed(folder: Path) -> None:
    (folder / "openvino" / "int8.xml").write_text("<net/>", encoding="utf-8")
    with pytest.raises(InputError, match=r"int8\.xml as manifest\.json lists it, got a file that it does not list;"):
        Classifier.load(folder)


def test_card_and_figures_may_change(folder: Path) -> None:
    for name in ("README.md", "metrics.json", "evaluation-new.json"):
        (folder / name).write_text("later", encoding="utf-8")
    assert Classifier.load(folder).folder == folder


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"files": []}', '{"files": {"config.json": {"bytes": 1}}}'])
def test_a_broken_manifest_is_no_missing_one(folder: Path, content: str) -> None:
    (folder / MANIFEST).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"expected names, sizes and checksums in .*manifest\.json, got a broken"):
        Classifier.load(folder)


def test_without_a_manifest_a_model_still_loads(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    assert check_manifest(folder) is None
    assert Classifier.load(folder).classify("نص")[0].text == "نص"
