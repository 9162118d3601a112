"""CUDA through ctypes, on the stand-in, and on whatever this machine really has."""

import ctypes

import numpy as np
import pytest

from models.vision.backends import cuda as ours
from models.vision.backends.cuda import Cuda, CudaError, CudaMissing


def test_bytes_go_to_the_device_and_back(cudart):
    cuda = Cuda()
    there = cuda.allocate(1000)
    stream = cuda.open_stream()
    sent = np.arange(250, dtype=np.float32)
    back = np.zeros_like(sent)
    cuda.upload(there, sent.ctypes.data, sent.nbytes, stream)
    cuda.download(back.ctypes.data, there, back.nbytes, stream)
    assert not back.any()  # nothing happens before somebody waits
    cuda.wait(stream)
    assert (back == sent).all()
    cuda.close_stream(stream)
    cuda.free(there)


def test_addresses_keep_all_their_bits(cudart):
    cuda = Cuda()
    there = cuda.allocate(8)
    assert there > 1 << 32
    cuda.free(there)


def test_the_name_of_the_gpu(cudart):
    assert Cuda().gpu_name() == "Stand-in GPU"


def test_a_copy_beyond_the_end_is_an_error(cudart):
    cuda = Cuda()
    there, stream = cuda.allocate(8), cuda.open_stream()
    with pytest.raises(CudaError, match="cudaMemcpyAsync: error 1") as caught:
        cuda.upload(there, 0, 16, stream)
    assert caught.value.code == 1
    cuda.close_stream(stream)
    cuda.free(there)


def test_no_gpu(cudart):
    cudart.standin_reset(0)
    with pytest.raises(CudaMissing, match="no GPU answers"):
        Cuda()


def test_no_library(monkeypatch):
    monkeypatch.setattr(ours, "LIBRARIES", ("libno-such-cudart.so",))
    with pytest.raises(CudaMissing, match="no libcudart"):
        Cuda()


def test_something_else_of_that_name_is_passed_over(monkeypatch, cudart, cudart_file):
    monkeypatch.setattr(ours, "LIBRARIES", ("libm.so.6", str(cudart_file)))
    assert Cuda().gpu_name() == "Stand-in GPU"


def test_on_this_very_machine():
    """With a GPU it gives its name; without one it says so, and never crashes."""
    try:
        answer = Cuda().gpu_name()
    except CudaMissing as error:
        answer = str(error)
    assert answer


def test_every_function_is_declared_for_64_bits(cudart):
    library = Cuda()._library
    for name in ("cudaMalloc", "cudaFree", "cudaMemcpyAsync", "cudaStreamSynchronize"):
        assert getattr(library, name).argtypes[0] is ctypes.c_void_p
