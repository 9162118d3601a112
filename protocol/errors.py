"""What can be wrong with a message, split by whose fault it is.

ProtocolError
├─ LocalProtocolError      the sender in this process built something unsendable
└─ RemoteProtocolError     bytes from elsewhere are not what they claim to be
   ├─ FrameTooLarge        longer than the limit of its channel
   ├─ UnknownMessage       a name nobody here understands
   └─ UnsupportedVersion   a major version of the envelope that this build does not speak
"""

from __future__ import annotations


class ProtocolError(Exception):
    """Root of this tree."""


class LocalProtocolError(ProtocolError):
    """The sender in this process built something that cannot be sent."""


class RemoteProtocolError(ProtocolError):
    """Bytes that came from another process or socket are not a valid message."""


class FrameTooLarge(RemoteProtocolError):
    """A frame is longer than its channel allows."""


class UnknownMessage(RemoteProtocolError):
    """The message's name is not in the receiver's vocabulary."""


class UnsupportedVersion(RemoteProtocolError):
    """The envelope's major version is not spoken here."""
