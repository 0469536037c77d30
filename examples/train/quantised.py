"""LeNet-5 and the credit-risk network of tests/fixtures, quantised by onnxruntime's own tools.

Writes, next to them:
- `lenet_qdq.onnx`: QuantizeLinear and DequantizeLinear around every operator, int8, scales for each channel;
- `lenet_qlinear.onnx`: QLinearConv and friends, uint8, one scale for each tensor;
- `credit_risk_dynamic.onnx`: DynamicQuantizeLinear and MatMulInteger;
and `NAME.expected.npz` with inputs of test rows and what onnxruntime answers. The two LeNets end in integers: the
last DequantizeLinear is cut off, so that answers can be compared exactly.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

FIXTURES = Path(__file__).parent / "../../tests/fixtures"
ROWS = 32


class Rows(CalibrationDataReader):
    """Calibration rows, one at a time."""

    def __init__(self, name, rows):
        self.rows = iter([{name: row[None]} for row in rows])

    def get_next(self):
        return next(self.rows, None)


def inputs(name, file):
    """The input's name, and the rows of a fixture."""
    model = onnx.load(FIXTURES / f"{name}.onnx")
    key = model.graph.input[0].name
    data = np.load(FIXTURES / f"{name}.{file}.npz")
    values = data[key] if key in data else data[data.files[0]]
    return key, values.astype(np.float32)


def end_in_integers(path):
    """Cuts a last DequantizeLinear off."""
    model = onnx.load(path)
    graph = model.graph
    last = next(n for n in graph.node if graph.output[0].name in n.output)
    assert last.op_type == "DequantizeLinear", last.op_type
    zero = next(t for t in graph.initializer if t.name == last.input[2])
    graph.node.remove(last)
    graph.output[0].name = last.input[0]
    graph.output[0].type.tensor_type.elem_type = zero.data_type
    onnx.checker.check_model(model)
    onnx.save(model, path)


def expect(path, key, rows):
    """Writes what onnxruntime answers."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    answers = np.stack([session.run(None, {key: row[None]})[0][0] for row in rows])
    np.savez_compressed(path.with_suffix(".expected.npz"), **{key: rows, "expected": answers})
    print(path.name, path.stat().st_size, answers.dtype, answers.shape, answers[0])


def main(out):
    key, calibration = inputs("lenet", "calibration")
    _, test = inputs("lenet", "test")
    source = FIXTURES / "lenet.onnx"
    path = out / "lenet_qdq.onnx"
    quantize_static(
        source,
        path,
        Rows(key, calibration),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
    )
    end_in_integers(path)
    expect(path, key, test[:ROWS])
    path = out / "lenet_qlinear.onnx"
    quantize_static(
        source,
        path,
        Rows(key, calibration),
        quant_format=QuantFormat.QOperator,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QUInt8,
    )
    end_in_integers(path)
    expect(path, key, test[:ROWS])
    path = out / "credit_risk_dynamic.onnx"
    quantize_dynamic(FIXTURES / "credit_risk.onnx", path)
    key, test = inputs("credit_risk", "test")
    expect(path, key, test[:ROWS])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FIXTURES)
