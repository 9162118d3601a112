"""A stand-in for TensorRT's Python module: its engine runs the ONNX file in ONNX Runtime.

Only the names that the version of STANDIN_TENSORRT has are here; an engine is bound to version and
GPU as a real one is, answers with None instead of raising, and reads and writes device memory of
the stand-in for libcudart (STANDIN_CUDART) when its stream is waited for.
"""

import ctypes
import json
import os
from enum import IntEnum
from types import SimpleNamespace

import numpy as np

from models.vision.backends.onnx import ERRORS, ort

__version__ = os.environ["STANDIN_TENSORRT"]
MAJOR = int(__version__.split(".")[0])
GPU = "Stand-in GPU"
MAGIC = b"standin\0"

cudart = ctypes.CDLL(os.environ["STANDIN_CUDART"])
WORK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
cudart.standin_peek.restype = ctypes.c_void_p
cudart.standin_peek.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
cudart.standin_enqueue.argtypes = (ctypes.c_void_p, WORK, ctypes.c_void_p)

told = SimpleNamespace(
    build=True, context=True, execute=True, address=True, rows=True, half_output=False
)
"""What tests tell it to get wrong."""
built = []
"""Settings of every engine that was built."""


class ILogger:
    INTERNAL_ERROR, ERROR, WARNING = range(3)

    def __init__(self):
        self.initialised = True

    def log(self, severity, msg):
        raise NotImplementedError


class DataType(IntEnum):
    FLOAT = 0
    HALF = 1
    INT64 = 8


class TensorIOMode(IntEnum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class MemoryPoolType(IntEnum):
    WORKSPACE = 0


BuilderFlag = IntEnum("BuilderFlag", {"FP16": 0, "INT8": 1} if MAJOR < 11 else {"TF32": 7})
NetworkDefinitionCreationFlag = IntEnum(
    "NetworkDefinitionCreationFlag",
    {"EXPLICIT_BATCH": 0} if MAJOR < 11 else {"STRONGLY_TYPED": 1},
)
TYPES = {"tensor(float)": DataType.FLOAT, "tensor(float16)": DataType.HALF}


def session_of(content):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def shape_of(one):
    return tuple(size if isinstance(size, int) else -1 for size in one.shape)


class Builder:
    def __init__(self, logger):
        assert logger.initialised
        self.logger = logger

    def create_network(self, flags):
        return SimpleNamespace(content=None, flags=flags)

    def create_builder_config(self):
        return Config()

    def build_serialized_network(self, network, config):
        if not told.build:
            self.logger.log(ILogger.ERROR, "no kernel fits\n")
            return None
        assert config.pools[MemoryPoolType.WORKSPACE] > 0
        built.append(config)
        return bytearray(plan_of(network.content))


class Config:
    def __init__(self):
        self.pools, self.flags = {}, set()

    def set_memory_pool_limit(self, pool, size):
        self.pools[pool] = size

    def set_flag(self, flag):
        self.flags.add(flag)


def plan_of(content, version=__version__, gpu=GPU):
    label = json.dumps([version, gpu, len(content)]).encode()
    return MAGIC + len(label).to_bytes(4, "little") + label + content


class OnnxParser:
    def __init__(self, network, logger):
        self.network, self.errors = network, []

    @property
    def num_errors(self):
        return len(self.errors)

    def get_error(self, index):
        return SimpleNamespace(desc=lambda: self.errors[index])

    def parse(self, content):
        if MAJOR < 10 and not self.network.flags & 1:
            self.errors.append("an explicit batch is needed")
            return False
        try:
            session = session_of(content)
        except ERRORS as error:
            self.errors.append(str(error))
            return False
        inputs, outputs = session.get_inputs(), session.get_outputs()
        network = self.network
        network.content = content
        network.num_inputs, network.num_outputs = len(inputs), len(outputs)
        network.get_input = lambda index: described(inputs[index])
        network.get_output = lambda index: described(outputs[index])
        return True


def described(one):
    return SimpleNamespace(name=one.name, shape=shape_of(one), dtype=TYPES[one.type])


class Runtime:
    def __init__(self, logger):
        self.logger = logger

    def deserialize_cuda_engine(self, plan):
        start = len(MAGIC) + 4 + int.from_bytes(plan[len(MAGIC) : len(MAGIC) + 4], "little")
        try:
            label = json.loads(plan[len(MAGIC) + 4 : start])
            if not plan.startswith(MAGIC) or label != [__version__, GPU, len(plan) - start]:
                raise ValueError
            return Engine(session_of(plan[start:]), self.logger)
        except (*ERRORS, ValueError):
            self.logger.log(ILogger.ERROR, "the engine was made elsewhere")
            return None


class Engine:
    def __init__(self, session, logger):
        self.session, self.logger = session, logger
        self.ends = {one.name: one for one in (*session.get_inputs(), *session.get_outputs())}
        self.inputs = {one.name for one in session.get_inputs()}

    @property
    def num_io_tensors(self):
        return len(self.ends)

    def get_tensor_name(self, index):
        return list(self.ends)[index]

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name):
        shape = shape_of(self.ends[name])
        return shape if told.rows or name in self.inputs else (shape[0], -1, *shape[2:])

    def get_tensor_dtype(self, name):
        if told.half_output and name not in self.inputs:
            return DataType.HALF
        return TYPES[self.ends[name].type]

    def create_execution_context(self):
        return Context(self) if told.context else None


class Context:
    def __init__(self, engine):
        self.engine, self.addresses = engine, {}
        self.work = WORK(self.compute)

    def get_tensor_shape(self, name):
        return self.engine.get_tensor_shape(name)

    def set_tensor_address(self, name, address):
        self.addresses[name] = address
        return told.address

    def execute_async_v3(self, stream_handle):
        if not told.execute or set(self.addresses) != set(self.engine.ends) or not stream_handle:
            self.engine.logger.log(ILogger.ERROR, "not everything has an address")
            return False
        return cudart.standin_enqueue(stream_handle, self.work, None) == 0

    def compute(self, _):
        session = self.engine.session
        feeds = {name: self.memory(name) for name in self.engine.inputs}
        for one, answer in zip(session.get_outputs(), session.run(None, feeds), strict=True):
            self.memory(one.name)[...] = answer

    def memory(self, name):
        shape = self.get_tensor_shape(name)
        size = 4 * int(np.prod(shape))
        host = cudart.standin_peek(self.addresses[name], size)
        assert host, f"{name} lies outside of device memory"
        return np.frombuffer((ctypes.c_char * size).from_address(host), np.float32).reshape(shape)
