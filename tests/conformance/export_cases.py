"""Exports ONNX's own backend tests as plain files, for veristar's conformance run.

    python export_cases.py OUTPUT_DIR [--check]

Two groups, both carried by the PyPI package `onnx` (pinned in requirements.txt):

    pytorch   the 82 models of onnx/backend/test/data/pytorch-converted, whatever they hold
    node      the generated one-node cases, and the expansions of function operators; those
              with an operator in OUTSIDE are listed under "skipped" only

A case is a folder: model.onnx, input_0.npy, ..., output_0.npy, ... (its first data set), in the
order of the graph's inputs and outputs. index.json has {"cases": [...], "skipped": [...]}.
Inputs that are only read as weights of linear layers (WEIGHTS) have a "weight" there.

What this changes in a model, so that its inputs are tensors of data or weights and nothing else:
  - shapes, axes and other parameters that a case passes at run time (RUNTIME_PARAMETERS) become
    initializers of the case's value, and the other inputs are renumbered; each is listed under
    "promoted" in the index;
  - initializers that old models also list as graph inputs are listed as initializers only,
    and the IR version, where it is below 4, is set to 4, which allows that.

Tensors keep their type (int64, float64, bool, ...), recorded in the index. The files are the
same in every run. --check runs each exported case through onnx's reference evaluator.
"""

import argparse
import json
import os
import shutil
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from onnx import AttributeProto, numpy_helper

# What a proof about tensors of numbers cannot mean anything for, and why
OUTSIDE = {
    "strings": "StringConcat StringNormalizer StringSplit RegexFullMatch TfIdfVectorizer",
    "sequences and optional values": "SequenceAt SequenceConstruct SequenceEmpty SequenceErase "
    "SequenceInsert SequenceLength SequenceMap SplitToSequence ConcatFromSequence Optional "
    "OptionalGetElement OptionalHasElement",
    "training": "NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss "
    "ai.onnx.preview.training:Adagrad ai.onnx.preview.training:Adam "
    "ai.onnx.preview.training:Gradient ai.onnx.preview.training:Momentum",
    "random numbers": "Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform "
    "RandomUniformLike",
    "compressed images": "ImageDecoder",
    "the bits of a float": "BitCast",
    "numbers that are not finite": "IsInf IsNaN",
}
OUTSIDE = {operator: reason for reason, names in OUTSIDE.items() for operator in names.split()}

# operator: its inputs that are parameters, not data
RUNTIME_PARAMETERS = {
    "Reshape": {1: "shape"},
    "Expand": {1: "shape"},
    "Squeeze": {1: "axes"},
    "Unsqueeze": {1: "axes"},
    "ReduceSum": {1: "axes"},
    "ReduceMean": {1: "axes"},
    "ReduceMax": {1: "axes"},
    "Slice": {1: "starts", 2: "ends", 3: "axes", 4: "steps"},
    "Pad": {1: "pads", 2: "constant_value", 3: "axes"},
    "Split": {1: "split"},
    "Clip": {1: "min", 2: "max"},
    "Dropout": {1: "ratio", 2: "training_mode"},
    "ReduceMin": {1: "axes"},
    "ReduceProd": {1: "axes"},
    "ReduceL1": {1: "axes"},
    "ReduceL2": {1: "axes"},
    "ReduceLogSum": {1: "axes"},
    "ReduceLogSumExp": {1: "axes"},
    "ReduceSumSquare": {1: "axes"},
    "Tile": {1: "repeats"},
    "TopK": {1: "k"},
    "Trilu": {1: "k"},
    "CumSum": {1: "axis"},
    "OneHot": {1: "depth", 2: "values"},
    "Resize": {1: "roi", 2: "scales", 3: "sizes"},
    "Upsample": {1: "scales"},
    "ConstantOfShape": {0: "shape"},
    "Range": {0: "start", 1: "limit", 2: "delta"},
    "RotaryEmbedding": {1: "cos_cache", 2: "sin_cache", 3: "position_ids"},
    "QuantizeLinear": {1: "scale", 2: "zero_point"},
    "DequantizeLinear": {1: "scale", 2: "zero_point"},
    "QLinearConv": {i: "quantisation" for i in (1, 2, 4, 5, 6, 7)},
    "QLinearMatMul": {i: "quantisation" for i in (1, 2, 4, 5, 6, 7)},
    "ConvInteger": {2: "zero_point", 3: "zero_point"},
    "MatMulInteger": {2: "zero_point", 3: "zero_point"},
    "AffineGrid": {1: "size"},
    "CenterCropPad": {1: "shape"},
    "Col2Im": {1: "image_shape", 2: "block_shape"},
    "Compress": {1: "condition"},
    "CumProd": {1: "axis"},
    "DFT": {1: "dft_length", 2: "axis"},
    "STFT": {1: "frame_step", 3: "frame_length"},
    "HannWindow": {0: "size"},
    "HammingWindow": {0: "size"},
    "BlackmanWindow": {0: "size"},
    "Loop": {0: "trip_count", 1: "condition"},
    "MaxUnpool": {2: "output_shape"},
    "MelWeightMatrix": {i: "sizes" for i in range(5)},
    "NonMaxSuppression": {i: "limits" for i in (2, 3, 4)},
    "ReverseSequence": {1: "sequence_lens"},
    "LSTM": {4: "sequence_lens"},
    "GRU": {4: "sequence_lens"},
    "RNN": {4: "sequence_lens"},
}
WEIGHTS = {
    "Gemm": {1, 2},
    "MatMul": {1},
    "Conv": {1, 2},
    "BatchNormalization": {1, 2, 3, 4},
    "PRelu": {1},
    "ConvTranspose": {1, 2},
    "LayerNormalization": {1, 2},
    "RMSNormalization": {1},
    "GroupNormalization": {1, 2},
    "InstanceNormalization": {1, 2},
    "CausalConvWithState": {1, 2},
    "LSTM": {1, 2, 3, 7},
    "GRU": {1, 2, 3},
    "RNN": {1, 2, 3},
    "QLinearConv": {3, 8},
    "QLinearMatMul": {3},
    "ConvInteger": {1},
    "MatMulInteger": {1},
}
SEED = 0  # several node cases draw from numpy's global generator


class Skip(Exception):
    """The case cannot be exported, and why."""


def pytorch_cases():
    """(name, model, inputs, outputs, rtol, atol), inputs and outputs as lists of arrays."""
    from onnx.backend.test.loader import load_model_tests

    for case in sorted(load_model_tests(kind="pytorch-converted"), key=lambda case: case.name):
        folder = Path(case.model_dir)
        model = onnx.load(folder / "model.onnx")

        def tensors(kind):
            files = list((folder / "test_data_set_0").glob(f"{kind}_*.pb"))
            files.sort(key=lambda file: int(file.stem.split("_")[1]))
            return [
                numpy_helper.to_array(onnx.load_tensor(file)) for file in files
            ]

        yield case.name, model, tensors("input"), tensors("output"), case.rtol, case.atol


def node_cases():
    np.random.seed(SEED)
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():  # some cases overflow and divide by 0 on purpose
        warnings.simplefilter("ignore", RuntimeWarning)
        cases = collect_testcases(None)
    for case in sorted(cases, key=lambda case: case.name):
        inputs, outputs = case.data_sets[0]
        yield case.name, case.model, list(inputs), list(outputs), case.rtol, case.atol


def operators(graph):
    """Names of the operators, with those of subgraphs; "domain:Name" outside ai.onnx."""
    for node in graph.node:
        yield node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}:{node.op_type}"
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from operators(attribute.g)


def trains(graph, inputs):
    """Whether a node normalises by the batch or drops values at random, as in training."""
    given = {i.name: v for i, v in zip(graph.input, inputs)}
    for node in graph.node:
        if any(a.name == "training_mode" and a.i == 1 for a in node.attribute):
            return True
        if node.op_type == "Dropout" and len(node.input) > 2:
            ratio, training = (given.get(name) for name in node.input[1:3])
            ratio = 0.5 if ratio is None else float(plain(ratio))
            if training is not None and bool(plain(training)) and ratio != 0:
                return True
    return False


def plain(value):
    """The array, if .npy can hold it in a type other readers know."""
    if isinstance(value, onnx.TensorProto):
        value = numpy_helper.to_array(value)
    if value is None or isinstance(value, (list, tuple)):
        raise Skip("a sequence or optional value, not a tensor")
    value = np.asarray(value)
    if value.dtype.name == "bfloat16":  # .npy has none; the values are the same
        value = value.astype(np.float32)
    plain_type = value.dtype.kind in "iub" or value.dtype in (np.float16, np.float32, np.float64)
    if not plain_type or not value.dtype.isbuiltin:
        raise Skip(f"element type {value.dtype}")
    return np.array(value, order="C")


def roles(graph):
    """({graph input: parameter}, {graph input: weight}) of those that nothing else reads."""
    parameters, weights, data = {}, {}, set()
    for node in graph.node:
        for position, name in enumerate(node.input):
            role = RUNTIME_PARAMETERS.get(node.op_type, {}).get(position)
            if role:
                parameters[name] = f"{node.op_type}.{role}"
            elif position in WEIGHTS.get(node.op_type, ()):
                weights[name] = f"{node.op_type} input {position}"
            else:
                data.add(name)
    weights = {name: role for name, role in weights.items() if name not in data | {*parameters}}
    return {name: role for name, role in parameters.items() if name not in data}, weights


def export(folder, model, inputs, outputs, fixed=()):
    """Writes one case, and returns its part of the index. `fixed`: inputs that are parameters, too."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    held = {initializer.name for initializer in graph.initializer}
    declared = [value for value in graph.input if value.name not in held]
    if len(declared) != len(inputs) or len(graph.output) != len(outputs):
        raise Skip(f"{len(inputs)} inputs and {len(outputs)} outputs given, "
                   f"{len(declared)} and {len(graph.output)} declared")  # fmt: skip
    inputs, outputs = [plain(x) for x in inputs], [plain(x) for x in outputs]

    parameters, weights = roles(graph)
    parameters |= {name: role for name, role in fixed if name not in parameters}
    kept, promoted = [], []
    for value, array in zip(declared, inputs):
        if value.name in parameters:
            graph.initializer.append(numpy_helper.from_array(array, value.name))
            promoted.append({"name": value.name, "role": parameters[value.name],
                             "shape": list(array.shape), "dtype": str(array.dtype)})  # fmt: skip
        else:
            kept.append((value, array))
    del graph.input[:]
    graph.input.extend(value for value, _ in kept)
    copy.ir_version = max(copy.ir_version, 4)
    onnx.checker.check_model(copy)

    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(copy.SerializeToString(deterministic=True))
    for i, (_, array) in enumerate(kept):
        np.save(folder / f"input_{i}.npy", array)
    for i, array in enumerate(outputs):
        np.save(folder / f"output_{i}.npy", array)

    def described(pairs):
        return [
            {"name": value.name, "shape": list(array.shape), "dtype": str(array.dtype)}
            | ({"weight": weights[value.name]} if value.name in weights else {})
            for value, array in pairs
        ]

    return {
        "operators": sorted(set(operators(graph))),
        "opset": next((o.version for o in copy.opset_import if o.domain in ("", "ai.onnx")), 0),
        "inputs": described(kept),
        "outputs": described(zip(graph.output, outputs)),
        "promoted": promoted,
    }


def original(name):
    """The case whose operator this one's graph is the expansion of."""
    return name.partition("_expanded")[0]


def check(folder, case):
    """None, or how onnx's reference evaluator differs from the exported outputs."""
    from onnx.reference import ReferenceEvaluator

    feeds = {v["name"]: np.load(folder / f"input_{i}.npy") for i, v in enumerate(case["inputs"])}
    try:
        results = ReferenceEvaluator(str(folder / "model.onnx")).run(None, feeds)
        for i, result in enumerate(results):
            expected = np.load(folder / f"output_{i}.npy")
            np.testing.assert_allclose(result, expected, case["rtol"], max(case["atol"], 1e-6))
            if (result.dtype, result.shape) != (expected.dtype, expected.shape):
                return f"{result.dtype}{result.shape}, not {expected.dtype}{expected.shape}"
    except Exception as error:  # the evaluator raises whatever numpy does
        return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
    return None


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("output", type=Path, help="new, or a folder this script wrote")
    arguments.add_argument("--check", action="store_true")
    arguments = arguments.parse_args()
    root = arguments.output
    if root.exists() and os.listdir(root):
        if not (root / "index.json").exists():
            raise SystemExit(f"{root} is not empty and has no index.json: not overwritten")
        for group in ("pytorch", "node"):
            shutil.rmtree(root / group, ignore_errors=True)

    cases, skipped, counts, failed = [], [], {}, []
    for group, source in (("pytorch", pytorch_cases()), ("node", node_cases())):
        counts[group] = Counter()
        promoted = {}  # of each case, for its expansion
        for name, model, inputs, outputs, rtol, atol in source:
            used = set(operators(model.graph))
            head = {"name": name, "group": group}
            folder = root / group / name
            try:
                if trains(model.graph, inputs):
                    raise Skip("training")
                outside = sorted({OUTSIDE[operator] for operator in used & OUTSIDE.keys()})
                if outside:
                    raise Skip(", ".join(outside))
                part = export(folder, model, inputs, outputs, promoted.get(original(name), ()))
            except Skip as reason:
                skipped.append({**head, "operators": sorted(used), "reason": str(reason)})
                continue
            promoted[name] = [(value["name"], value["role"]) for value in part["promoted"]]
            case = {**head, "rtol": rtol, "atol": atol, **part}
            cases.append(case)
            counts[group].update(used)
            if arguments.check and (problem := check(folder, case)):
                failed.append(f"{group}/{name}: {problem}")

    root.mkdir(parents=True, exist_ok=True)
    index = {"onnx": onnx.__version__, "cases": cases, "skipped": skipped}
    (root / "index.json").write_text(json.dumps(index, indent=1) + "\n")

    for group, counter in counts.items():
        total = sum(case["group"] == group for case in cases)
        print(f"{group}: {total} cases")
        print("  " + ", ".join(f"{name} {n}" for name, n in sorted(counter.items())))
    print(f"skipped: {len(skipped)}")
    for case in skipped:
        print(f"  {case['name']}: {case['reason']}")
    if arguments.check:
        print(f"reference evaluator: {len(cases) - len(failed)} of {len(cases)} agree")
        print("".join(f"  {line}\n" for line in failed), end="")


if __name__ == "__main__":
    main()
