"""What turns token ids into logits: one small interface, one class for each way of computing.

`load_runtime` picks one. Neither torch nor openvino is imported before a model asks for it: `wijha --help` and a model
exported by `train.export` must not wait for packages that they do not use.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from wijha.errors import InputError
from wijha.extras import need
from wijha.files import file_sha256, read_json
from wijha.safety import check_weights

RUNTIMES = ("auto", "torch", "openvino", "openvino-bf16", "openvino-int8", "openvino-f32")
"""What can be asked for: `auto` takes what suits the machine, `openvino` its best precision that export.json admits."""

_FILES = {"bf16": "half", "f32": "half", "int8": "int8"}
# Seen on 400 sentences, of logits up to 8: 0.00001, 0.02 (fp16 computed by a CPU, no GPU was at hand), 0.06, 0.24.
_TOLERANCES = {"f32": 1e-3, "fp16": 0.1, "bf16": 0.25, "int8": 1.0}


class Runtime(Protocol):
    """Computes logits for a padded batch."""

    name: str
    tokens: int
    """Padded size, in tokens, of the batches that it computes fastest."""
    step: int
    """0, or rows are padded to a multiple of it and a batch holds rows of one width: see OpenVinoRuntime."""
    workers: int
    """Batches that it computes at a time; `logits` is then called from several threads."""
    tolerance: float
    """Most that rounding may change a logit against torch in fp32."""

    def logits(self, rows: Sequence[Sequence[int]], pad: int) -> np.ndarray:
        """Token ids of each row -> logits (rows, outputs), float32."""


def load_runtime(folder: Path, device: str | None = None, runtime: str = "auto") -> Runtime:
    """The runtime of that name for a model folder; `auto`: a GPU, else what was exported and accepted, else torch.

    Raises InputError for an unknown name, a missing package and for files that are missing or of other weights.
    """
    if runtime not in RUNTIMES:
        raise InputError(f"expected a runtime among {', '.join(RUNTIMES)}, got {runtime!r}; choose one of them")
    if runtime == "auto" and (device is not None or has_gpu()):
        runtime = "torch"
    if device is not None and not str(device).startswith("cpu") and runtime != "torch":
        raise InputError(f"expected no device with the runtime {runtime}, got {device}; drop it or choose torch")
    admitted = [] if runtime == "torch" else accepted(folder)
    if runtime == "auto":
        runtime = _best(admitted)
    if runtime == "torch":
        return TorchRuntime(folder, device)
    need("openvino", "cpu")
    precision = (runtime if "-" in runtime else _best(admitted)).partition("-")[2]
    if precision not in admitted:
        raise InputError(
            f"expected {folder}/export.json to admit {runtime} for the weights beside it, it admits "
            f"{', '.join(admitted) or 'nothing'}; choose another runtime or run: python -m train.export {folder}"
        )
    return OpenVinoRuntime(folder, precision)


def each_runtime(folders: Sequence[Path], runtime: str) -> list[str]:
    """What to ask for in each of several folders: a named precision where it is admitted, and of those that do not
    admit it what suits them best, as long as one does."""
    asked = runtime.partition("-")[2]
    if not asked or len(folders) == 1:
        return [runtime] * len(folders)
    admit = [asked in accepted(folder) for folder in folders]
    return [runtime if not any(admit) or each else "openvino" for each in admit]


def accepted(folder: Path) -> list[str]:
    """Precisions that export.json admits; none where it was made for other weights than those in `folder`."""
    try:
        export = read_json(folder / "export.json")
        weights = folder / "model.safetensors"
        if weights.exists() and file_sha256(weights) != export["weights"]:
            return []
        return [precision for precision, result in export["openvino"].items() if result["accepted"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def _best(admitted: Sequence[str]) -> str:
    """The fastest of these precisions that this machine can use, torch for none: it hangs on the processor's units.

    VNNI multiplies int8 faster than AVX512 does bf16 (1,090 against 789 sentences/s of 48 tokens on two such cores);
    with neither, AVX2 multiplies it slower than f32 (188 against 262, one core), and rounds it more.
    """
    units = features()
    if "amx_bf16" in units:
        order = ["bf16", "int8", "f32"]
    elif units & {"avx512_vnni", "avx_vnni"}:
        order = ["int8", "bf16", "f32"]
    else:
        order = ["bf16", "f32", "int8"]
    usable = [each for each in order if each in admitted and _has_openvino() and (each != "bf16" or has_bf16())]
    return f"openvino-{usable[0]}" if usable else "torch"


def _has_openvino() -> bool:
    """Whether the package is there; a folder of that name where Python was started, such as a model's, is none."""
    spec = find_spec("openvino")
    return spec is not None and spec.origin is not None


def has_gpu() -> bool:
    """Whether torch computes on a GPU; asked of torch only where a driver is there."""
    return os.path.exists("/dev/nvidiactl") and bool(import_module("torch").cuda.is_available())


def has_bf16() -> bool:
    """Whether the processor multiplies in bf16 (AVX512-BF16 or AMX)."""
    return bool({"avx512_bf16", "amx_bf16"} & features())


def features() -> set[str]:
    """What the processor can do, as Linux names it."""
    return set(_processor_facts().get("flags", "").split())


def processor() -> str:
    """The processor's name; empty where the system does not tell."""
    return _processor_facts().get("model name", "")


def _processor_facts() -> dict[str, str]:
    """What Linux says of the first core."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def threads() -> int:
    """Processor cores to use: OMP_NUM_THREADS where it is set, else those that this process may run on."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(int(asked), allowed)) if asked.isdigit() else allowed


def padded(rows: Sequence[Sequence[int]], pad: int, step: int, widest: int) -> tuple[np.ndarray, np.ndarray]:
    """Token ids and mask (rows, width): the longest row, rounded up to a multiple of `step` that is within `widest`."""
    longest = max(map(len, rows))
    width = max(longest, min(-(-longest // step) * step, widest)) if step else longest
    ids = np.full((len(rows), width), pad, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = row
        mask[number, : len(row)] = 1
    return ids, mask


def stock_model(folder: Path) -> Any:
    """The stock class of a folder with the weights of model.safetensors, nothing else. Raises as check_weights does."""
    check_weights(folder)
    load = need("transformers").AutoModelForSequenceClassification.from_pretrained
    with no_progress_bar():
        return load(folder, local_files_only=True, use_safetensors=True, trust_remote_code=False)


class TorchRuntime:
    """PyTorch on the GPU where there is one, else on the CPU.

    The GPU computes in fp16, the precision of the saved weights: as fast as bf16, with an eighth of its rounding. The
    CPU computes in fp32: bf16 is twice as fast there, but a score then changes by up to 0.003 with the batch.
    """

    step, workers = 0, 1

    def __init__(self, folder: Path, device: str | None = None) -> None:
        """Raises InputError where torch is missing or has no such device."""
        self._torch = torch = need("torch")
        self.device = str(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        try:
            torch.empty(0, device=self.device)
        except (RuntimeError, AssertionError) as error:
            raise InputError(f"expected a device that torch has, got {self.device!r}; name cpu or cuda") from error
        if on_cpu := self.device.startswith("cpu"):
            # What torch keeps for each shape of a batch fills gigabytes; without it, it is 7 % slower. Read once, at
            # the first product of the process.
            os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "0")
        self.name = f"torch {self.device}"
        self.tokens = 4_096 if on_cpu else 65_536
        self.tolerance = _TOLERANCES["f32" if on_cpu else "fp16"]
        self._model = stock_model(folder)
        self._model.to(self.device, torch.float32 if on_cpu else torch.float16).eval()

    def logits(self, rows: Sequence[Sequence[int]], pad: int) -> np.ndarray:
        """See Runtime."""
        torch = self._torch
        ids, mask = (torch.from_numpy(each).to(self.device) for each in padded(rows, pad, self.step, 0))
        with torch.inference_mode():
            output = self._model(input_ids=ids, attention_mask=mask)
        return np.asarray(output.logits.float().cpu())


def read_graph(folder: Path, name: str) -> Any:
    """The OpenVINO model MODEL/openvino/NAME.xml. That in half precision has its weights in model.safetensors, which
    come before the few bytes of NAME.bin where its offsets count from: no weight is kept twice."""
    openvino = need("openvino", "cpu")
    graph = folder / "openvino" / f"{name}.xml"
    if name == "int8":
        return openvino.Core().read_model(graph)
    weights = (folder / "model.safetensors").read_bytes() + graph.with_suffix(".bin").read_bytes()
    return openvino.Core().read_model(graph.read_bytes(), openvino.Tensor(np.frombuffer(weights, dtype=np.uint8)))


class OpenVinoRuntime:
    """OpenVINO on the CPU, from the files that `train.export` wrote; needs neither torch nor transformers.

    In bf16 and int8 a row's last digits depend on the width that it is padded to, not on the rows beside it. So rows
    are padded to a multiple of `step` and share a batch only with rows of that width: a sentence has one result. Each
    core computes a batch of its own: no thread waits for another.
    """

    step, tokens = 4, 2_048

    def __init__(self, folder: Path, precision: str) -> None:
        openvino = need("openvino", "cpu")
        self.name, self.workers = f"openvino {precision}", threads()
        self.tolerance = _TOLERANCES[precision]
        config = read_json(folder / "config.json")
        self._widest = int(config.get("max_position_embeddings", 512))
        options = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": self.workers,
            "NUM_STREAMS": self.workers,
            # What OpenVINO keeps for each shape of a batch fills a gigabyte after 100,000 sentences of all lengths.
            "CPU_RUNTIME_CACHE_CAPACITY": 0,
        }
        self._compiled: Any = openvino.Core().compile_model(read_graph(folder, _FILES[precision]), "CPU", options)
        self._idle: deque[Any] = deque()
        # The first array that OpenVINO takes makes it look numpy up, under a lock of its own: two threads that do so at
        # once, one with that lock and one with the interpreter's, would wait for each other for ever.
        self.logits([[0]], 0)

    def logits(self, rows: Sequence[Sequence[int]], pad: int) -> np.ndarray:
        """See Runtime. May be called from several threads: each takes a request of its own."""
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        result = np.array(request.infer(padded(rows, pad, self.step, self._widest))[0], dtype=np.float32)
        self._idle.append(request)
        return result


@contextmanager
def no_progress_bar() -> Iterator[None]:
    """Loading a small model takes no bar of its own."""
    logging = import_module("transformers.utils.logging")
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
