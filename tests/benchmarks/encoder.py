"""A text encoder of 22 million parameters, fine-tuned and compressed, beside onnxruntime's
own dynamic quantization: accuracy, bytes, milliseconds, peak memory, and seconds by stage.

python tests/benchmarks/encoder.py [--texts FILE.csv] [--encoder FOLDER] [CELL ...]

Without a file of texts (columns `text` and `label`) 2,000 are made up; without a folder of a
pretrained encoder (config.json, model.safetensors, tokenizer.json) one is made, of MiniLM's shape
and with random weights. Each cell runs on one thread in a process of its own, whose peak memory is
told; the milliseconds of all files are taken in one loop. What was trained is kept: run again, it
goes on. All cells together are written to results/encoder.json.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import report_file
import torch
from cells import CACHE, STORE

from automl.data import dataset
from automl.measure.latency import latency_ms
from automl.measure.measurement import Measurement, measure
from automl.runtimes import onnx
from automl.space import space_file
from automl.space.exploring import explore
from automl.space.space import TrialConfig
from automl.trial.trial import run

SPACE = """
from automl import Cosine, Distill, Fixed, OneOf, Pretrained, Prune, Quantize, Space, Text, Train
from automl import TrialConfig, Warmup

learn = {"learning_rate": Warmup(Cosine(3e-4)), "batch_size": Fixed(32), "epochs": 2}
distil = Train(label="distil", loss=Distill("train"), **learn)
small = (Prune(0.5), distil, Quantize(8, activation_bits=None, label="int8"))
some = OneOf(None, Quantize(OneOf(8, 4), activation_bits=None), small, label="compress")
text = Text("texts.csv", length=32, tokenizer="encoder")
space = Space(TrialConfig(text, Pretrained("hf/encoder", "encoder"), (Train(**learn), some)))
"""
LOAD = """
import sys
import numpy, onnxruntime
loaded = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
(row,) = loaded.get_inputs()
loaded.run(None, {row.name: numpy.ones((1, row.shape[1]), numpy.int64)})
print(open("/proc/self/status").read())
"""
REFERENCE, ORT = "fp32", "onnxruntime's own 8 bits"
CELLS = {
    REFERENCE: (0, 0),
    "8 bits": (1, 8),
    "4 bits": (1, 4),
    "pruned, distilled, 8 bits": (3, 0),
}
"""The number of steps after the training, and the bits of a sole `Quantize`."""
NUM_TEXTS, NUM_WORDS, VOCABULARY = 2_000, 4_000, 30_522
SPREAD = 0.5
"""Of the logarithms of the words' shares in a class: what two epochs learn well, not wholly."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--texts", type=Path)
    arguments.add_argument("--encoder", type=Path)
    arguments.add_argument("--alone", help=argparse.SUPPRESS)
    arguments.add_argument("cells", nargs="*", default=[*CELLS, ORT])
    given = arguments.parse_args()
    folder = prepared(given.texts, given.encoder)
    if given.alone:
        print(json.dumps(cell(given.alone, folder)))
        return
    found = {}
    for name in given.cells:
        command = [sys.executable, *sys.argv, "--alone", name]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found[name] = json.loads(done.stdout.splitlines()[-1])
        print(name, found[name], flush=True)
    complete = [name for name in found if found[name]["status"] == "complete"]
    for name, ms in zip(complete, timed([folder / f"{name}.onnx" for name in complete])):
        found[name] |= {"ms": round(ms, 3), "load_peak_mb": load_peak_mb(folder / f"{name}.onnx")}
    print(json.dumps(found, indent=1))
    if {*CELLS, ORT} <= {*found}:
        report_file.write(report_file.path("encoder"), {"cells": found})


def prepared(texts: Path | None, encoder: Path | None) -> Path:
    """A folder with texts.csv and the encoder, made once of what is given."""
    name = hashlib.sha256(f"{texts} {encoder}".encode()).hexdigest()[:16]
    folder = CACHE / f"encoder-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "texts.csv").exists():
        (folder / "texts.csv").write_bytes(texts.read_bytes() if texts else made_up())
    if not (folder / "encoder").exists():
        if encoder:
            (folder / "encoder").symlink_to(encoder.resolve())
        else:
            make_encoder(folder)
    return folder


def made_up() -> bytes:
    """Texts of two classes, which prefer other words of a language with few frequent ones."""
    rng = np.random.default_rng(0)
    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    words = ["".join(rng.choice(letters, rng.integers(3, 9))) for _ in range(NUM_WORDS)]
    frequency = 1 / np.arange(5, NUM_WORDS + 5)
    shares = [frequency * rng.lognormal(0, SPREAD, NUM_WORDS) for _ in range(2)]
    lines = ["text,label"]
    for row in range(NUM_TEXTS):
        share = shares[row % 2] / shares[row % 2].sum()
        chosen = rng.choice(NUM_WORDS, rng.integers(20, 60), p=share)
        lines.append(f"{' '.join(words[i] for i in chosen)},{row % 2}")
    return "\n".join(lines).encode()


def make_encoder(folder: Path) -> None:
    """An encoder of MiniLM's shape with random weights, and a tokenizer of these texts' words."""
    import tokenizers
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12}
    config = BertConfig(vocab_size=VOCABULARY, intermediate_size=1536, **sizes)
    BertModel(config).save_pretrained(folder / "encoder.new")
    tokenizer = tokenizers.BertWordPieceTokenizer()
    with (folder / "texts.csv").open(newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    tokenizer.train_from_iterator(texts, vocab_size=VOCABULARY, show_progress=False)
    tokenizer.save(str(folder / "encoder.new" / "tokenizer.json"))
    (folder / "encoder.new").rename(folder / "encoder")


def cell(name: str, folder: Path) -> dict[str, Any]:
    """The figures of one cell; that of onnxruntime is made of the fp32 file.

    `cpu_seconds` are those of what was not kept, which a busy machine lets be; `peak_mb` is of the
    whole process. `stages` are seconds of the clock, those of kept steps from when they were made.
    """
    torch.set_num_threads(1)
    config = configs(folder)[REFERENCE if name == ORT else name]
    started, began = time.perf_counter(), time.process_time()
    stages, file, status = driven(config)
    rows = dataset.test_split(config.dataset, config.seed, CACHE)
    if name == ORT:
        started, began = time.perf_counter(), time.process_time()
        file, stages = quantized_by_onnxruntime(file), {}
        stages["quantize"] = time.perf_counter() - started
    if status != "complete":
        return {"status": status}
    measuring = time.perf_counter()
    found = measure(file, rows.inputs, rows.targets)
    stages["measure"] = time.perf_counter() - measuring
    (folder / f"{name}.onnx").write_bytes(file)
    known = folder / f"{name}.json"
    stages = {**(json.loads(known.read_text()) if known.exists() else {}), **stages}
    known.write_text(json.dumps(stages))
    return {
        "status": status,
        "accuracy": round(found.quality["accuracy"], 4),
        "bytes": len(file),
        "peak_mb": peak_mb(Path("/proc/self/status").read_text()),
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(time.process_time() - began, 1),
        "stages": {label: round(seconds, 1) for label, seconds in stages.items()},
    }


def configs(folder: Path) -> dict[str, TrialConfig]:
    """The configs of the cells, by their names."""
    found = {}
    for config in explore(space_file.load(SPACE, folder=str(folder))).configs:
        after = config.recipe[1:]
        bits = getattr(after[0], "bits", 0) if len(after) == 1 else 0
        found.update({name: config for name, at in CELLS.items() if at == (len(after), bits)})
    return found


def driven(config: TrialConfig) -> tuple[dict[str, float], bytes, str]:
    """The seconds of a trial by stage, its file, and how it ended."""
    running = run(
        config, STORE, lambda file, rows, make: Measurement({}, len(file), 0.0, 0.0), CACHE
    )
    while True:
        try:
            report = next(running)
            print(report.step, report.epoch, report.metrics, file=sys.stderr, flush=True)
        except StopIteration as end:
            result = end.value
            break
    file = STORE.read(result.key, "model.onnx") or b""
    return dict(result.stages), file, f"{result.status} {result.reason}".strip()


def timed(files: list[Path]) -> list[float]:
    """Milliseconds of one row through each file, all taken in one loop."""
    length = onnx.session(files[0]).get_inputs()[0].shape[1]
    row = np.random.default_rng(0).integers(5, 1_000, (1, length))
    return latency_ms([onnx.ONE_THREAD.load(file)(row) for file in files])


def load_peak_mb(file: Path) -> int:
    """The peak memory of a process that loads a file and answers one row."""
    command = [sys.executable, "-c", LOAD, str(file)]
    return peak_mb(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def peak_mb(status: str) -> int:
    """The peak memory of a process by its /proc/self/status; what `resource` tells may be that of
    the process which started it."""
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


def quantized_by_onnxruntime(file: bytes) -> bytes:
    """The file as `quantize_dynamic` makes it: what a user has without this package."""
    from onnxruntime.quantization import quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "fp32.onnx").write_bytes(file)
        quantize_dynamic(f"{folder}/fp32.onnx", f"{folder}/int8.onnx")
        return (Path(folder) / "int8.onnx").read_bytes()


if __name__ == "__main__":
    main()
