"""TLS towards the platform: the usual checks, and pins of public keys on top of them.

The same context serves https and wss. A pin is the SHA-256 of a certificate's public key
(SubjectPublicKeyInfo, RFC 7469 section 2.4) in base64, so it outlives a renewal with the same key.
What does not fit is refused within the handshake, before a byte of ours has been sent.
"""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import Callable

PINS_ADVISED = 2
"""Today's key, and a spare one that lies in a safe."""


def read_pins(text: str | None) -> frozenset[str]:
    """The pins in a setting: base64 with commas between, with or without ``sha256/``."""
    parts = (text or "").split(",")
    return frozenset(part.strip().removeprefix("sha256/") for part in parts if part.strip())


def spki_pin(certificate: bytes) -> str:
    """The pin of a certificate in DER."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509 import load_der_x509_certificate

    key = load_der_x509_certificate(certificate).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(spki).digest()).decode("ascii")


def pinned_context(
    pins: frozenset[str] | tuple[str, ...] = frozenset(),
    ca_file: str | None = None,
    report: Callable[[str], object] | None = None,
) -> ssl.SSLContext:
    """A client's context that trusts authorities, names, dates, and only these keys.

    Args:
        pins: none: any key will do.
        ca_file: the authorities, in PEM; None: those of the system.
        report: report-only: gets the pin that does not fit, and the connection is kept.

    Raises:
        OSError: `ca_file` cannot be read, or holds no certificate.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not pins:
        return context
    wanted = frozenset(pins)

    class Pinned(ssl.SSLObject):
        """Looks at the key as soon as the handshake is over."""

        def do_handshake(self) -> None:
            super().do_handshake()
            certificate = self.getpeercert(binary_form=True)
            pin = "" if certificate is None else spki_pin(certificate)
            if pin in wanted:
                return
            if report is None:
                msg = f"the server's key {pin} is none of those that uplink.pins allows"
                raise ssl.SSLCertVerificationError(1, msg)
            report(pin)

    context.sslobject_class = Pinned
    return context
