"""The little of CUDA that a TensorRT engine needs, through ctypes: memory, copies, one stream.

No cuda-python: it has no wheel for the Python and the CUDA of JetPack 6. Every call's answer is
looked at; CUDA says errors with return values, and often those of an earlier, asynchronous call.

Asking for a GPU initialises the driver, after which a process must not fork: only the inference
process and commands do that, never the core or the zygote.
"""

from __future__ import annotations

import ctypes
from typing import NoReturn

# The plain name is there where CUDA's development files are, the others where only the run time is.
LIBRARIES = (
    "libcudart.so.12",
    "libcudart.so.13",
    "libcudart.so.11.0",
    "libcudart.so",
    "/usr/local/cuda/lib64/libcudart.so",
)

SUCCESS = 0
NO_MEMORY = 2
HOST_TO_DEVICE, DEVICE_TO_HOST = 1, 2
FIRST_DEVICE = 0
# `cudaDeviceProp` has another size in every version and always begins with 256 bytes of name.
PROPERTIES_BYTES = 16_384
NAME_BYTES = 256


class CudaError(Exception):
    """A call of CUDA failed.

    Attributes:
        code: CUDA's number of the error.
    """

    def __init__(self, call: str, code: int, text: str) -> None:
        super().__init__(f"{call}: error {code}, {text}")
        self.code = code


class CudaMissing(Exception):
    """There is no CUDA run time, or no GPU that answers."""


class Cuda:
    """CUDA's run time, on the first GPU."""

    def __init__(self) -> None:
        """Load the library and look for a GPU.

        Raises:
            CudaMissing: one of the two is not there.
        """
        self._library = _load()
        count = ctypes.c_int(0)
        try:
            self._call("cudaGetDeviceCount", ctypes.byref(count))
            self._call("cudaSetDevice", FIRST_DEVICE)
        except CudaError as error:
            raise CudaMissing(f"no GPU answers ({error})") from error
        if count.value < 1:
            raise CudaMissing("CUDA counts no GPU")

    def gpu_name(self) -> str:
        """Name of the first GPU, as its maker calls it."""
        properties = ctypes.create_string_buffer(PROPERTIES_BYTES)
        self._call("cudaGetDeviceProperties", properties, FIRST_DEVICE)
        return properties.raw[:NAME_BYTES].split(b"\0", 1)[0].decode("utf-8", errors="replace")

    def allocate(self, size_bytes: int) -> int:
        """Take memory of the GPU; give its address there."""
        address = ctypes.c_void_p()
        self._call("cudaMalloc", ctypes.byref(address), size_bytes)
        return address.value or 0

    def free(self, address: int) -> None:
        """Give memory back."""
        self._call("cudaFree", address)

    def open_stream(self) -> int:
        """Open a stream: what is put into it happens in order, later."""
        stream = ctypes.c_void_p()
        self._call("cudaStreamCreate", ctypes.byref(stream))
        return stream.value or 0

    def close_stream(self, stream: int) -> None:
        """Close a stream."""
        self._call("cudaStreamDestroy", stream)

    def upload(self, device: int, host: int, size_bytes: int, stream: int) -> None:
        """Copy to the GPU, in the stream; the host's memory must stay until `wait`."""
        self._call("cudaMemcpyAsync", device, host, size_bytes, HOST_TO_DEVICE, stream)

    def download(self, host: int, device: int, size_bytes: int, stream: int) -> None:
        """Copy from the GPU, in the stream; the host's memory is written until `wait`."""
        self._call("cudaMemcpyAsync", host, device, size_bytes, DEVICE_TO_HOST, stream)

    def wait(self, stream: int) -> None:
        """Wait until everything in the stream has happened."""
        self._call("cudaStreamSynchronize", stream)

    def _call(self, name: str, *arguments: object) -> None:
        code = int(getattr(self._library, name)(*arguments))
        if code != SUCCESS:
            self._fail(name, code)

    def _fail(self, name: str, code: int) -> NoReturn:
        text = self._library.cudaGetErrorString(code) or b"an unknown error"
        raise CudaError(name, code, text.decode("utf-8", errors="replace"))


def _load() -> ctypes.CDLL:
    for name in LIBRARIES:
        try:
            return _declared(ctypes.CDLL(name))
        except (OSError, AttributeError):
            continue  # not there, or something else of that name
    raise CudaMissing("there is no libcudart, CUDA's run time")


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """Say what each function takes: without it, ctypes cuts addresses to 32 bits."""
    address, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    takes: dict[str, tuple[object, ...]] = {
        "cudaGetDeviceCount": (address,),
        "cudaSetDevice": (number,),
        "cudaGetDeviceProperties": (address, number),
        "cudaMalloc": (address, size),
        "cudaFree": (address,),
        "cudaStreamCreate": (address,),
        "cudaStreamDestroy": (address,),
        "cudaStreamSynchronize": (address,),
        "cudaMemcpyAsync": (address, address, size, number, address),
    }
    for name, arguments in takes.items():
        function = getattr(library, name)
        function.argtypes = arguments
        function.restype = number
    library.cudaGetErrorString.argtypes = (number,)
    library.cudaGetErrorString.restype = ctypes.c_char_p
    return library
