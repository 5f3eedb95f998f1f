"""Every runtime that is installed: the labels of torch, and one result a sentence however it is batched."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from train.export import export, write_int8, write_openvino
from wijha import Classifier, InputError, runtime
from wijha.classifier import read_settings
from wijha.golden import unseal
from wijha.reader import Reader
from wijha.runtime import OpenVinoRuntime, Runtime, TorchRuntime, accepted, has_bf16, load_runtime, padded, threads
from wijha.tokenizer import TextEncoder

openvino_is_here = pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed")
nncf_is_here = pytest.mark.skipif(find_spec("nncf") is None, reason="nncf is not installed")
bf16_is_here = pytest.mark.skipif(not has_bf16(), reason="this processor does not compute in bf16")
_NAMES = [
    pytest.param("torch"),
    pytest.param("openvino-f32", marks=openvino_is_here),
    pytest.param("openvino-bf16", marks=[openvino_is_here, bf16_is_here]),
    pytest.param("openvino-int8", marks=[openvino_is_here, nncf_is_here]),
]


@pytest.fixture(scope="module")
def texts(rows: list[dict[str, str]]) -> list[str]:
    """Sentences of every length up to more than the model takes."""
    numbers = random.Random(3)
    words = " ".join(row["text"] for row in rows).split()
    return [" ".join(numbers.choices(words, k=count)) for count in range(1, 70)] + ["", "[PAD] نص"]


@pytest.fixture(scope="module")
def folder(model: Path, texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with every file of the fast runtime, before any gate."""
    copy = Path(shutil.copytree(model, tmp_path_factory.mktemp("runtimes") / "model"))
    unseal(copy)
    if find_spec("openvino"):
        write_openvino(copy)
        if find_spec("nncf"):
            write_int8(copy, texts[:30])
    return copy


def _classifier(folder: Path, name: str) -> Classifier:
    kind, _, precision = name.partition("-")
    runtime: Runtime = OpenVinoRuntime(folder, precision) if kind == "openvino" else TorchRuntime(folder, "cpu")
    reference = Classifier.load(folder, "cpu", "torch")
    return Classifier(Reader(folder, runtime), reference.schema, read_settings(folder)["temperatures"])


@pytest.mark.parametrize("name", _NAMES)
def test_a_sentence_has_one_result_however_it_is_batched(folder: Path, texts: list[str], name: str) -> None:
    classifier = _classifier(folder, name)
    together = classifier.probabilities(texts)
    alone = np.concatenate([classifier.probabilities([text]) for text in texts])
    shuffled = random.Random(1).sample(range(len(texts)), len(texts))
    other_order = classifier.probabilities([texts[i] for i in shuffled] + texts[:9])[: len(texts)]
    for again in (alone, other_order[np.argsort(shuffled)]):
        assert np.abs(again - together).max() < 1e-3
        assert (again.argmax(axis=-1) == together.argmax(axis=-1)).all()


@pytest.mark.parametrize("name", _NAMES[1:])
def test_the_scores_are_those_of_torch(folder: Path, texts: list[str], name: str) -> None:
    ours, theirs = (_classifier(folder, each).probabilities(texts) for each in (name, "torch"))
    assert np.abs(ours - theirs).max() < {"openvino-f32": 1e-4}.get(name, 0.05)


@openvino_is_here
@pytest.mark.parametrize("workers", [1, 3])
def test_batches_in_several_threads_keep_their_order(
    folder: Path, texts: list[str], monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    expected = _classifier(folder, "torch").probabilities(texts * 20)
    classifier = _classifier(folder, "openvino-f32")
    monkeypatch.setattr(classifier.readers[0].runtime, "workers", workers)
    assert np.abs(classifier.probabilities(texts * 20) - expected).max() < 1e-4


_RACE = """
import sys, threading
from pathlib import Path
from wijha.runtime import OpenVinoRuntime
runtime, start = OpenVinoRuntime(Path(sys.argv[1]), "f32"), threading.Barrier(8)
sys.setswitchinterval(1e-6)
def first():
    start.wait()
    runtime.logits([[2, 5, 3]], 0)
threads = [threading.Thread(target=first) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@openvino_is_here
@pytest.mark.parametrize("attempt", range(4))
def test_the_first_threads_do_not_wait_for_each_other(folder: Path, attempt: int) -> None:
    """A new process each: without an inference before the threads one in three hung for ever."""
    subprocess.run([sys.executable, "-c", _RACE, str(folder)], timeout=120, check=True)


_SHAPES = """
import sys
from pathlib import Path
from wijha.runtime import OpenVinoRuntime
runtime = OpenVinoRuntime(Path(sys.argv[1]), "f32")
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
for width in range(4, 65, 4):
    if width == 36:
        begin = resident()
    for rows in range(1, 31):
        runtime.logits([[5] * width] * rows, 0)
print(resident() - begin)
"""


@openvino_is_here
@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux how much memory it holds")
def test_memory_does_not_grow_with_the_shapes_of_batches(folder: Path) -> None:
    """240 shapes more; each took half a megabyte of this small model, and more of one that ships."""
    done = _python(_SHAPES, str(folder))
    assert float(done.stdout) < 40, done.stderr


@pytest.mark.parametrize("own", ["", "7"])
def test_torch_on_a_cpu_keeps_nothing_for_each_shape(folder: Path, monkeypatch: pytest.MonkeyPatch, own: str) -> None:
    """The cache that benchmarks found to fill gigabytes, by the command line or not; one's own setting stays."""
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    if own:
        monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", own)
    done = _python(
        "import os, sys; from wijha import Classifier; Classifier.load(sys.argv[1], runtime='torch')\n"
        "print(os.environ['ONEDNN_PRIMITIVE_CACHE_CAPACITY'])",
        str(folder),
    )
    assert done.stdout.split() == [own or "0"], done.stderr


@pytest.fixture(scope="module")
def exported(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model through `train.export`."""
    pytest.importorskip("openvino", reason="openvino is not installed")
    copy = Path(shutil.copytree(model, tmp_path_factory.mktemp("exported") / "model"))
    export(copy)
    return copy


def test_auto_takes_what_was_exported_until_the_weights_change(exported: Path, model: Path, tmp_path: Path) -> None:
    assert Classifier.load(exported).runtime_name.startswith("openvino")
    assert Classifier.load(exported, runtime="openvino").runtime_name == Classifier.load(exported).runtime_name
    assert Classifier.load(exported, runtime="torch").runtime_name == "torch cpu"
    assert Classifier.load(exported, device="cpu").runtime_name == "torch cpu"
    assert Classifier.load(model).runtime_name.startswith("torch")
    changed = Path(shutil.copytree(exported, tmp_path / "changed"))
    unseal(changed)
    weights = changed / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    assert accepted(changed) == [] and load_runtime(changed).name.startswith("torch")
    with pytest.raises(InputError, match=r"to admit openvino for the weights.*python -m train\.export"):
        load_runtime(changed, runtime="openvino")


@pytest.mark.parametrize(
    ("processor", "admitted", "taken"),
    [
        ({"amx_bf16", "avx512_bf16", "avx512_vnni"}, "f32 bf16 int8", "openvino-bf16"),
        ({"amx_bf16", "avx512_bf16", "avx512_vnni"}, "f32 int8", "openvino-int8"),
        ({"avx512_bf16", "avx512_vnni"}, "f32 bf16 int8", "openvino-int8"),
        ({"avx512_bf16", "avx512_vnni"}, "f32 bf16", "openvino-bf16"),
        ({"avx_vnni"}, "f32 bf16 int8", "openvino-int8"),
        ({"avx2"}, "f32 bf16 int8", "openvino-f32"),
        ({"avx2"}, "bf16 int8", "openvino-int8"),
        ({"avx2"}, "bf16", "torch"),
        ({"amx_bf16"}, "", "torch"),
    ],
)
def test_each_processor_takes_its_fastest_precision(
    monkeypatch: pytest.MonkeyPatch, processor: set[str], admitted: str, taken: str
) -> None:
    monkeypatch.setattr(runtime, "features", lambda: processor)
    monkeypatch.setattr(runtime, "find_spec", lambda name: SimpleNamespace(origin=name))
    assert runtime._best(admitted.split()) == taken


def test_a_broken_export_is_one_sentence(exported: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(exported, tmp_path / "broken"))
    unseal(broken)
    for path in (broken / "openvino").glob("*.xml"):
        path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match="expected a whole model in"):
        Classifier.load(broken)


def test_a_runtime_that_cannot_be_had_says_what_to_run(model: Path) -> None:
    with pytest.raises(InputError, match="expected a runtime among auto, torch,"):
        Classifier.load(model, runtime="fast")
    sentence = r"train\.export" if find_spec("openvino") else r"pip install --editable '\.\[cpu\]'"
    with pytest.raises(InputError, match=sentence):
        Classifier.load(model, runtime="openvino")


def _python(code: str, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_the_exported_runtime_imports_neither_torch_nor_transformers(exported: Path) -> None:
    done = _python(
        "import sys; from wijha import Classifier; c = Classifier.load(sys.argv[1]); c.classify('نص');"
        "print(c.runtime_name, sorted({'torch', 'transformers'} & set(sys.modules)))",
        str(exported),
    )
    assert done.stdout.strip().endswith("[]") and done.stdout.startswith("openvino"), done.stderr


def test_a_load_tells_nobody(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO's own telemetry would begin a thread and keep an identity in the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    done = _python(
        "import sys, threading; from wijha import Classifier; c = Classifier.load(sys.argv[1], runtime='openvino')\n"
        "print(len(c.classify('نص')), threading.active_count(), 'openvino_telemetry' in sys.modules)",
        str(exported),
    )
    assert done.stdout.split() == ["1", "1", "False"], done.stderr
    assert not list(tmp_path.iterdir())


def test_without_the_package_torch_computes_and_the_error_names_the_extra(exported: Path) -> None:
    code = (
        "import sys; sys.modules['openvino'] = None\n"
        "from wijha import Classifier\n"
        "print(Classifier.load(sys.argv[1]).runtime_name)\n"
        "Classifier.load(sys.argv[1], runtime='openvino')"
    )
    done = _python(code, str(exported))
    assert done.stdout.startswith("torch") and "pip install --editable '.[cpu]'" in done.stderr


def test_a_folder_of_its_name_is_not_openvino(exported: Path) -> None:
    """Python started in a model folder takes its openvino/ for a package where the real one is missing."""
    code = (
        "import sys\n"
        "from importlib.util import find_spec\n"
        "from wijha.runtime import _has_openvino\n"
        "sys.path = ['', *(place for place in sys.path if 'site-packages' not in place)]\n"
        "print(find_spec('openvino') is not None, _has_openvino())"
    )
    done = _python(code, cwd=exported)
    assert done.stdout.split() == ["True", "False"], done.stderr


def test_a_device_that_is_not_there_is_one_sentence(model: Path) -> None:
    for device in ("gpu", "cuda:99"):
        with pytest.raises(InputError, match=f"expected a device that torch has, got '{device}'; name cpu or cuda"):
            Classifier.load(model, device, "torch")
    with pytest.raises(InputError, match="expected no device with the runtime openvino, got cuda; drop it or choose"):
        Classifier.load(model, "cuda", "openvino")
    assert Classifier.load(model, torch.device("cpu")).runtime_name == "torch cpu"  # type: ignore[arg-type]


def test_torch_that_is_missing_is_one_sentence(model: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from wijha import Classifier, InputError\n"
        "try: Classifier.load(sys.argv[1], runtime='torch')\n"
        "except InputError as error: print(error)"
    )
    assert _python(code, str(model)).stdout.startswith("expected the package torch, found it missing")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_of_a_loaded_model_says_so_instead_of_waiting_for_ever(model: Path) -> None:
    code = (
        "import os, sys\n"
        "from wijha import Classifier, InputError\n"
        "classifier = Classifier.load(sys.argv[1])\n"
        "classifier.classify('نص')\n"
        "if os.fork(): os.wait()\n"
        "else:\n"
        "    try: classifier.classify('نص')\n"
        "    except InputError as error: print(error, flush=True)\n"
    )
    done = _python(code, str(model))
    assert done.stdout == "expected the process that loaded the model, found a fork of it; load it in each process\n"


def test_token_ids_are_those_of_the_stock_tokenizer(model: Path, texts: list[str]) -> None:
    stock = AutoTokenizer.from_pretrained(model)
    assert TextEncoder(model).ids(texts) == stock(texts, truncation=True)["input_ids"]
    assert TextEncoder(model).pad == stock.pad_token_id


def test_half_of_a_surrogate_pair_is_a_text(model: Path) -> None:
    half = json.loads('"نص \\ud83d"')
    assert Classifier.load(model).classify([half])[0].text == half


@pytest.mark.parametrize(("asked", "used"), [("3", 3), ("1", 1), ("0", 1), ("99", 8), ("", 8), ("two", 8), (None, 8)])
def test_as_many_threads_as_are_asked_for_of_those_allowed(
    monkeypatch: pytest.MonkeyPatch, asked: str | None, used: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert threads() == used


def test_rows_are_padded_to_the_step_but_not_beyond_the_model() -> None:
    ids, mask = padded([[5, 6, 7], [8]], 0, 4, 512)
    assert ids.tolist() == [[5, 6, 7, 0], [8, 0, 0, 0]] and mask.sum(axis=1).tolist() == [3, 1]
    assert padded([[1] * 61], 0, 4, 62)[0].shape == (1, 62)
    assert padded([[1] * 61], 0, 0, 62)[0].shape == (1, 61)
