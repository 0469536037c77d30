"""Appends ONNX nodes to a network of random weights, all from one seed.

Weights are drawn at the scale at which signals keep their size: He (variance 2 / inputs) before a ReLU, Xavier
(1 / inputs) elsewhere. They are not trained: times, sizes and memory do not depend on that, accuracy would.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 8


class Network:
    def __init__(self, name, seed):
        self.name, self.random = name, np.random.default_rng(seed)
        self.nodes, self.weights, self.inputs, self.outputs = [], [], [], []
        self.known, self.used, self.parameters = {}, {}, 0

    def unique(self, name):
        count = self.used[name] = self.used.get(name, 0) + 1
        return name if count == 1 else f"{name}_{count}"

    def input(self, name, shape):
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def output(self, name, last, shape):
        self.nodes.append(helper.make_node("Identity", [last], [name], name=name))
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def weight(self, name, values):
        """A parameter of the model."""
        name = self.unique(name)
        values = np.ascontiguousarray(values, dtype=np.float32)
        self.weights.append(numpy_helper.from_array(values, name))
        self.parameters += values.size
        return name

    def constant(self, values):
        """A constant of the architecture: a shape, an axis, a factor. Equal ones are kept once."""
        values = np.ascontiguousarray(values)
        values = values.astype(np.int64 if values.dtype.kind == "i" else np.float32)
        key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self.known:
            self.known[key] = self.unique("constant")
            self.weights.append(numpy_helper.from_array(values, self.known[key]))
        return self.known[key]

    def node(self, op, *inputs, **attributes):
        name = self.unique(op.lower())
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def normal(self, variance, *shape):
        return self.random.standard_normal(shape, dtype=np.float32) * np.float32(variance**0.5)

    def bias(self, size, inputs):
        return self.random.uniform(-1, 1, size) / inputs**0.5

    def gemm(self, x, inputs, outputs, gain=2.0):
        weight = self.weight("weight", self.normal(gain / inputs, outputs, inputs))
        bias = self.weight("bias", self.bias(outputs, inputs))
        return self.node("Gemm", x, weight, bias, transB=1)

    def conv(self, x, channels, outputs, kernel, stride=1, groups=1, gain=2.0, pad=None):
        """Padded by half the kernel if nothing is said. Its bias stands for a batch norm folded into it."""
        terms = channels // groups * kernel * kernel
        shape = (outputs, channels // groups, kernel, kernel)
        weight = self.weight("kernel", self.normal(gain / terms, *shape))
        bias = self.weight("bias", 0.3 * self.bias(outputs, 1))
        pads, strides = [kernel // 2 if pad is None else pad] * 4, [stride] * 2
        attributes = {"kernel_shape": [kernel] * 2, "pads": pads, "strides": strides}
        return self.node("Conv", x, weight, bias, group=groups, **attributes)

    def relu(self, x):
        return self.node("Relu", x)

    def max_pool(self, x, kernel=2, stride=2, pad=0):
        attributes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
        return self.node("MaxPool", x, **attributes)

    def linear(self, x, inputs, outputs, gain=1.0, bias=True):
        """Over the last axis."""
        weight = self.weight("weight", self.normal(gain / inputs, inputs, outputs))
        y = self.node("MatMul", x, weight)
        return self.node("Add", y, self.weight("bias", self.normal(0.01, outputs))) if bias else y

    def reshape(self, x, *shape):
        return self.node("Reshape", x, self.constant(np.array(shape, np.int64)))

    def slice(self, x, axis, start, end):
        bounds = [self.constant(np.array([v], np.int64)) for v in (start, end, axis)]
        return self.node("Slice", x, *bounds)

    def model(self):
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, self.weights)
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return model
