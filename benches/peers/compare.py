#!/usr/bin/env python3
"""EZKL and Veristar on the same ONNX files, in turn, in one run.

    python3 -m venv .venv && .venv/bin/pip install -r benches/peers/requirements.txt
    cargo build --release
    .venv/bin/python benches/peers/compare.py mlp_risk mlp_digits --models target/bench-models

Inputs are private, outputs public, weights private: EZKL with `private` parameters does not bind a proof to them, so
`--weights fixed`, which bakes them into its keys, is the other comparison. EZKL runs at the scale that its own
calibration chooses, and at the smallest one whose output is at least as close to float as Veristar's.

Each stage is a process: its wall time is from start to end, with reading its files, its memory the peak of resident
memory. EZKL's `gen_srs` is not counted. Rounds alternate between the tools, so what else the machine does falls on
both. Times are medians. What takes longer or more memory than allowed is stopped, and said so.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import onnxruntime

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SCALES = range(7, 15)


class Stopped(Exception):
    pass


def run(command, limits):
    """Wall seconds, peak bytes and output of a process."""
    start = time.monotonic()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        reason, peak = [], [0]
        arguments = (process.pid, limits, start, reason, peak)
        watch = threading.Thread(target=supervise, args=arguments, daemon=True)
        watch.start()
        errors = []
        reader = threading.Thread(target=lambda: errors.append(process.stderr.read()), daemon=True)
        reader.start()
        out = process.stdout.read().decode()
        process.wait()
        seconds = time.monotonic() - start
        reader.join()
    if reason:
        raise Stopped(reason[0])
    if process.returncode:
        lines = [line for line in errors[0].decode().splitlines() if line.strip()]
        raise Stopped(lines[-1][:200] if lines else f"exit {process.returncode}")
    return seconds, peak[0], out


def supervise(pid, limits, start, reason, peak):
    """Follows the peak of memory; the kernel's own count after the end would begin with this process's."""
    status = Path(f"/proc/{pid}/status")
    while True:
        try:
            lines = status.read_text().splitlines()
        except OSError:
            return
        found = [int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:")]
        if not found:
            return
        peak[0] = found[0]
        elapsed = time.monotonic() - start
        if peak[0] > limits["bytes"]:
            reason.append(f"over {limits['bytes'] / 1e9:.0f} GB")
        elif elapsed > limits["seconds"]:
            reason.append(f"over {limits['seconds']:.0f} s")
        if reason:
            os.killpg(pid, signal.SIGKILL)
            return
        time.sleep(min(0.1, 0.002 + elapsed / 100))


class Tool:
    """What a tool's stages took: times and peaks by stage, sizes, error."""

    def __init__(self, name, folder, limits):
        self.name, self.folder, self.limits = name, folder, limits
        self.seconds, self.bytes, self.sizes = {}, {}, {}
        self.error, self.failed = None, None

    def measure(self, stage, command):
        seconds, peak, out = run([str(part) for part in command], self.limits)
        self.seconds.setdefault(stage, []).append(seconds)
        self.bytes[stage] = max(self.bytes.get(stage, 0), peak)
        return out

    def attempt(self, stage, work):
        """Does a stage, unless one before failed."""
        if self.failed:
            return
        try:
            work()
        except Stopped as error:
            self.failed = f"{stage}: {error}"

    def median(self, stage):
        return statistics.median(self.seconds[stage]) if self.seconds.get(stage) else None

    def result(self):
        stages = {stage: self.median(stage) for stage in self.seconds}
        return {
            "tool": self.name,
            "seconds": stages,
            "peak_bytes": self.bytes,
            "sizes": self.sizes,
            "error": self.error,
            "failed": self.failed,
        }


class Veristar(Tool):
    def __init__(self, program, model, data, folder, limits):
        super().__init__("veristar", folder, limits)
        self.program, self.model, self.data = program, model, data

    def setup(self, expected):
        command = [self.program, "setup", self.model, "--calibration", self.data]
        self.measure("setup", [*command, "--json", "-o", self.folder / "model"])
        self.sizes["verification key"] = (self.folder / "model.vk").stat().st_size
        self.sizes["proving key"] = (self.folder / "model.vsm").stat().st_size

    def prove(self, expected):
        proof = self.folder / "proof"
        proof.unlink(missing_ok=True)
        command = [self.program, "prove", self.folder / "model.vsm", "--input", self.data, "--row", "0"]
        out = json.loads(self.measure("prove", [*command, "--json", "-o", proof]))
        self.seconds.setdefault("prove, loaded", []).append(out["times"]["prove_ms"] / 1e3)
        self.sizes["proof"] = proof.stat().st_size
        self.error = largest_difference(numbers(out["outputs"]), expected)

    def verify(self, expected):
        self.measure("verify", [self.program, "verify", self.folder / "model.vk", self.folder / "proof"])


class Ezkl(Tool):
    def __init__(self, name, scale, weights, folder, limits):
        super().__init__(name, folder, limits)
        self.scale, self.weights = scale, weights

    def stage(self, name):
        options = json.dumps({"scale": self.scale, "weights": self.weights})
        command = [sys.executable, HERE / "ezkl_stage.py", name, self.folder, options]
        return self.measure(name, command)

    def execute(self, expected):
        """Up to the witness: tells the error."""
        self.stage("settings")
        self.stage("witness")
        witness = json.loads((self.folder / "witness.json").read_text())
        outputs = witness["pretty_elements"]["rescaled_outputs"]
        self.error = largest_difference([float(value) for row in outputs for value in row], expected)
        settings = json.loads((self.folder / "settings.json").read_text())["run_args"]
        self.name += f", scale {settings['input_scale']}, 2^{settings['logrows']} rows"

    def setup(self, expected):
        if "witness" not in self.seconds:
            self.execute(expected)
        self.stage("srs")
        self.stage("setup")
        self.sizes["verification key"] = (self.folder / "key.vk").stat().st_size
        self.sizes["proving key"] = (self.folder / "key.pk").stat().st_size

    def prove(self, expected):
        # A new input needs a new witness: it is part of proving.
        self.stage("witness")
        self.stage("prove")
        self.seconds.setdefault("witness and prove", []).append(
            self.seconds["witness"][-1] + self.seconds["prove"][-1]
        )
        proof = json.loads((self.folder / "proof.json").read_text())
        text = proof.get("hex_proof")
        self.sizes["proof"] = len(text) // 2 - 1 if text else len(proof["proof"])

    def verify(self, expected):
        self.stage("verify")


def numbers(value):
    """All numbers of nested lists and objects' values, in order."""
    if isinstance(value, dict):
        return numbers(value["values"]) if "values" in value else numbers(list(value.values()))
    if isinstance(value, list):
        return [number for part in value for number in numbers(part)]
    return [float(value)] if isinstance(value, (int, float)) else []


def largest_difference(values, expected):
    values = np.asarray(values, np.float64)
    if values.size != expected.size:
        raise Stopped(f"{values.size} outputs, {expected.size} expected")
    return float(np.abs(values - expected).max())


def prepare(name, models, folder):
    """Files for EZKL; the float output of the first row."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = models / f"{name}.onnx"
    shutil.copy(model, folder / "model.onnx")
    data = np.load(models / f"{name}.calibration.npz")
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    shapes = {one.name: one.shape for one in session.get_inputs()}
    first = {key: data[key][0].reshape(shape) for key, shape in shapes.items()}

    def flat(rows):
        return {"input_data": [data[key][:rows].ravel().tolist() for key in shapes]}

    (folder / "input.json").write_text(json.dumps(flat(1)))
    (folder / "calibration.json").write_text(json.dumps(flat(4)))
    return session.run(None, first)[0].ravel().astype(np.float64)


def matched(name, options, folder, limits, expected, error):
    """EZKL at the smallest scale that is as close to float as an error."""
    best = None
    for scale in SCALES:
        tool = Ezkl("ezkl, matched", scale, options.weights, folder, limits)
        tool.attempt("witness", lambda tool=tool: tool.execute(expected))
        if tool.failed:
            continue
        best = tool if best is None or tool.error < best.error else best
        if tool.error <= error:
            return tool
    if best is not None:
        # Its files were overwritten by those of larger scales.
        best = Ezkl("ezkl, closest", best.scale, options.weights, folder, limits)
        best.attempt("witness", lambda: best.execute(expected))
    return best


def compare(name, options):
    limits = {"bytes": options.memory_limit * 10**9, "seconds": options.time_limit}
    folder = options.work / name
    expected = prepare(name, options.models, folder)
    model, data = options.models / f"{name}.onnx", options.models / f"{name}.calibration.npz"
    own = Veristar(options.veristar, model, data, folder, limits)
    default = Ezkl("ezkl, default", None, options.weights, folder, limits)
    closer = None
    own.attempt("setup", lambda: own.setup(expected))
    for number in range(options.rounds):
        own.attempt("prove", lambda: own.prove(expected))
        own.attempt("verify", lambda: own.verify(expected))
        if number == 0:
            default.attempt("setup", lambda: default.setup(expected))
        default.attempt("prove", lambda: default.prove(expected))
        default.attempt("verify", lambda: default.verify(expected))
    if own.error is not None and not options.only_default:
        closer = matched(name, options, folder, limits, expected, own.error)
    if closer is not None:
        closer.attempt("setup", lambda: closer.setup(expected))
        for _ in range(options.rounds):
            own.attempt("prove", lambda: own.prove(expected))
            closer.attempt("prove", lambda: closer.prove(expected))
            closer.attempt("verify", lambda: closer.verify(expected))
    results = [tool.result() for tool in (own, default, closer) if tool is not None]
    if not options.keep:
        shutil.rmtree(folder)
    size = float(np.abs(expected).max())
    return {"model": name, "load": os.getloadavg()[0], "largest_output": size, "tools": results}


def seconds(value):
    return "-" if value is None else f"{value:.3f}" if value < 10 else f"{value:.0f}"


def size(value):
    if value is None:
        return "-"
    return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.1f} MB" if value >= 1e6 else f"{value / 1e3:.1f} KB"


def table(results):
    lines = ["| model | tool | set-up s | prove s | (loaded) s | verify s | peak set-up | peak prove | proof | proving key | verification key | largest error |"]
    lines.append("|" + "---|" * 12)
    for result in results:
        for tool in result["tools"]:
            times, peaks, sizes = tool["seconds"], tool["peak_bytes"], tool["sizes"]
            cells = [result["model"], tool["tool"], seconds(times.get("setup"))]
            cells += [seconds(times.get("witness and prove", times.get("prove")))]
            cells += [seconds(times.get("prove, loaded")), seconds(times.get("verify"))]
            cells += [size(peaks.get("setup")), size(peaks.get("prove"))]
            cells += [size(sizes.get(key)) for key in ("proof", "proving key", "verification key")]
            cells.append("-" if tool["error"] is None else f"{tool['error']:.1e}")
            if tool["failed"]:
                cells[-1] += f" ({tool['failed']})"
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ratios(results):
    """How much more EZKL takes, where both proved."""
    lines = []
    for result in results:
        own, *others = result["tools"]
        for other in others:
            if own["failed"] or other["failed"]:
                continue
            time_of = other["seconds"]["witness and prove"]
            whole = time_of / own["seconds"]["prove"]
            loaded = time_of / own["seconds"]["prove, loaded"]
            memory = other["peak_bytes"]["prove"] / own["peak_bytes"]["prove"]
            lines.append(
                f"{result['model']}, {other['tool']}: {whole:.0f} times as long to prove, {loaded:.0f} times as long "
                f"as with Veristar's model loaded, {memory:.0f} times the memory"
            )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="+", metavar="MODEL")
    parser.add_argument("--models", type=Path, default=ROOT / "target" / "bench-models")
    parser.add_argument("--veristar", type=Path, default=ROOT / "target" / "release" / "veristar")
    parser.add_argument("--work", type=Path, default=ROOT / "target" / "bench-peers")
    parser.add_argument("--weights", choices=["private", "fixed"], default="private")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory-limit", type=float, default=14, metavar="GB")
    parser.add_argument("--time-limit", type=float, default=1200, metavar="S", help="for each stage")
    parser.add_argument("--only-default", action="store_true", help="leave the matched scale out")
    parser.add_argument("--keep", action="store_true", help="keep keys and proofs")
    parser.add_argument("--json", type=Path, help="write everything measured")
    options = parser.parse_args()
    results = []
    for name in options.names:
        results.append(compare(name, options))
        if options.json:
            options.json.write_text(json.dumps(results, indent=1) + "\n")
        print(table(results[-1:]), file=sys.stderr, flush=True)
    print(table(results))
    print()
    print(ratios(results))


if __name__ == "__main__":
    main()
