"""Names to addresses, in threads that nobody has to wait for.

asyncio's own way uses threads that a stop has to wait for, and a resolver without a network takes
its half minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

from aiohttp.abc import AbstractResolver, ResolveResult

from models.uplink.addresses import is_address, is_near


class NotNear(OSError):
    """An address in the open, where only private ones may be spoken to in the clear."""


async def resolve(host: str, port: int) -> list[str]:
    """Addresses of a name.

    Raises:
        OSError, ValueError: there are none, or it is no name.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def tell(addresses: list[str], error: Exception | None) -> None:
        if found.done():
            return
        if error is None:
            found.set_result(addresses)
        else:
            found.set_exception(error)

    def ask() -> None:
        addresses: list[str] = []
        error: Exception | None = None
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(row[4][0]) for row in rows))
        except (OSError, ValueError) as failed:
            error = failed
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know
            loop.call_soon_threadsafe(tell, addresses, error)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    return await found


class Resolving:
    """Asks for one name at a time: whoever asks again while nobody has answered waits as well."""

    def __init__(self) -> None:
        """Nothing is asked."""
        self._question: asyncio.Task[list[str]] | None = None

    async def ask(self, host: str, port: int) -> list[str]:
        """As `resolve`; a question that nobody waits for any more goes on."""
        if self._question is None:
            self._question = asyncio.ensure_future(resolve(host, port))
            self._question.add_done_callback(self._answered)
        return await asyncio.shield(self._question)

    def _answered(self, question: asyncio.Task[list[str]]) -> None:
        self._question = None
        if not question.cancelled():
            question.exception()  # told to whoever waits; nobody has to


def check_near(addresses: list[str]) -> None:
    """Words in the clear go to near addresses only.

    Raises:
        NotNear: one of these is none.
    """
    for address in addresses:
        if not is_near(address):
            msg = f"{address} is no private address: plain http may not go there"
            raise NotNear(msg)


class Fixed(AbstractResolver):
    """What aiohttp asks: always the address that the last probe got through with."""

    def __init__(self) -> None:
        """No address yet."""
        self.address = ""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The one address; the name stays what the certificate is checked against.

        Raises:
            OSError: none is known.
        """
        if not is_address(self.address):
            msg = f"no address of {host} is known"
            raise OSError(msg)
        kind = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        result = ResolveResult(
            hostname=host, host=self.address, port=port, family=kind, proto=0, flags=flags
        )
        return [result]

    async def close(self) -> None:
        """Nothing is held."""
