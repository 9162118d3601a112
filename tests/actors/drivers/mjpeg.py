"""A network camera on the loopback: JPEG pictures one after the other over HTTP."""

import socket
import threading
from itertools import count

import cv2
import numpy as np

BOUNDARY = b"frame"
HEAD = (
    b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary="
    + BOUNDARY
    + b"\r\n\r\n"
)


class MjpegServer:
    """Serves pictures with noise; each client gets a thread of its own.

    Attributes:
        url: where it is.
        how: `alive`; `silent` takes connections and says nothing; `freezes` sends no more and keeps
            them open; `gone` closes them. May be changed while it runs.
    """

    def __init__(self, width: int, height: int, per_s: float, how: str = "alive") -> None:
        self.how = how
        self.clients = 0
        self._shape = (height, width, 3)
        self._pause_s = 1 / per_s
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/live.mjpg"
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, target, *args) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.clients += 1
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        rng = np.random.default_rng(self.clients)
        with client:
            try:
                if self.how != "silent":
                    client.sendall(HEAD)
                for _ in count():
                    if self.how == "gone" or self._closed.is_set():
                        return
                    if self.how == "alive":
                        client.sendall(self._part(rng))
                    self._closed.wait(self._pause_s)
            except OSError:
                return

    def _part(self, rng: np.random.Generator) -> bytes:
        picture = rng.integers(0, 256, self._shape, dtype=np.uint8)
        body = cv2.imencode(".jpg", picture)[1].tobytes()
        head = b"--%s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
        return head % (BOUNDARY, len(body)) + body + b"\r\n"

    def close(self) -> None:
        self._closed.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)
