"""Shared by the training scripts: a small ONNX builder, a checker and the fixture writer.

A fixture NAME is a set of files in tests/fixtures (see the README there):

    NAME.onnx              float32 model of one input (of floats or integers) and one output, batch fixed to 1
    NAME.calibration.npz   x: training rows that fix the quantisation ranges, y: their labels
    NAME.test.npz          x: rows the training never saw, y: their labels
    NAME.input.json        one test row as {"input_data": [[...]]}
    NAME.json              shapes, classes, float accuracy

x is exactly what the model takes (float32, already scaled, or int64), with the rows along axis 0.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures"
OPSET = 17
IR_VERSION = 8


class Builder:
    """Appends nodes one after the other: each takes the output of the one before."""

    def __init__(self, name, input_name, shape):
        self.name, self.shape = name, list(shape)
        self.input_name = self.last = input_name
        self.nodes, self.weights = [], []

    def _weight(self, name, array):
        array = np.ascontiguousarray(array, dtype=np.float32)
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def node(self, op, name, inputs=(), output=None, **attributes):
        output = output or f"{name}_out"
        self.nodes.append(
            helper.make_node(op, [self.last, *inputs], [output], name=name, **attributes)
        )
        self.last = output
        return self

    def dense(self, name, weight, bias, output=None):
        """y = x W + b, with W of shape [inputs, outputs]."""
        inputs = [self._weight(f"{name}_weight", weight), self._weight(f"{name}_bias", bias)]
        return self.node("Gemm", name, inputs, output)

    def conv(self, name, weight, bias, pad, output=None):
        """Stride 1, W of shape [output channels, input channels, height, width]."""
        inputs = [self._weight(f"{name}_weight", weight), self._weight(f"{name}_bias", bias)]
        kernel = list(weight.shape[2:])
        return self.node("Conv", name, inputs, output, kernel_shape=kernel, pads=[pad] * 4)

    def max_pool(self, name, size=2):
        return self.node("MaxPool", name, kernel_shape=[size] * 2, strides=[size] * 2)

    def model(self, output_shape):
        graph = helper.make_graph(
            self.nodes,
            self.name,
            [helper.make_tensor_value_info(self.input_name, TensorProto.FLOAT, self.shape)],
            [helper.make_tensor_value_info(self.last, TensorProto.FLOAT, output_shape)],
            self.weights,
        )
        model = helper.make_model(
            graph,
            producer_name="veristar-examples",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def session(model):
    """An onnxruntime session on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def run(model, x):
    """The outputs of onnxruntime on the rows of x, one row at a time, stacked."""
    runtime = session(model)
    name = runtime.get_inputs()[0].name
    return np.concatenate([runtime.run(None, {name: row[None]})[0] for row in x])


def check(model, x, expected, tolerance=1e-4):
    """onnxruntime must agree with the forward pass of the training code; returns the gap."""
    gap = float(np.abs(run(model, x) - expected).max())
    if not gap <= tolerance:
        raise SystemExit(f"{model.graph.name}: onnxruntime is {gap} away from the trained model")
    return gap


def spanning_rows(x, count, seed):
    """`count` row numbers: the rows that hold each feature's least and greatest value, then
    random ones. Inputs inside the range of x are then inside the range of the calibration."""
    extremes = np.unique(np.concatenate([x.argmin(axis=0), x.argmax(axis=0)]))
    rest = np.setdiff1d(np.arange(len(x)), extremes)
    fill = np.random.default_rng(seed).permutation(rest)[: max(0, count - len(extremes))]
    return np.sort(np.concatenate([extremes, fill]))


def save_rows(path, **arrays):
    np.savez_compressed(path, **{k: np.ascontiguousarray(v) for k, v in arrays.items()})


def write_fixture(model, calibration, test, details, sample=0):
    """Writes the file set of the module's first lines; calibration and test are (x, y)."""
    FIXTURES.mkdir(parents=True, exist_ok=True)
    name = model.graph.name
    (FIXTURES / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
    for part, (x, y) in {"calibration": calibration, "test": test}.items():
        assert len(x) == len(y) and np.isfinite(x).all(), part
        save_rows(
            FIXTURES / f"{name}.{part}.npz",
            x=x if x.dtype.kind == "i" else np.asarray(x, dtype=np.float32),
            y=np.asarray(y, dtype=np.int64),
        )
    row = test[0][sample].reshape(-1).tolist()
    (FIXTURES / f"{name}.input.json").write_text(json.dumps({"input_data": [row]}) + "\n")
    details = {
        "input": {"name": model.graph.input[0].name, "shape": shape_of(model.graph.input[0])},
        "output": {"name": model.graph.output[0].name, "shape": shape_of(model.graph.output[0])},
        "calibration_rows": len(calibration[0]),
        "test_rows": len(test[0]),
        "input_json_is_test_row": sample,
        **details,
    }
    (FIXTURES / f"{name}.json").write_text(json.dumps(details, indent=1) + "\n")
    print(name, {k: v for k, v in details.items() if k in ("float", "onnxruntime_gap")})


def shape_of(value):
    return [d.dim_value for d in value.type.tensor_type.shape.dim]
