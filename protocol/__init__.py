"""Words only: messages, the envelope they travel in, and the codec.

Imports nothing of ours. One module per conversation.
"""

from protocol.codec import Codec, StreamDecoder, encode
from protocol.envelope import Envelope, Kind
from protocol.message import Delivery, Done, Down, Failed, Message, name_of

__all__ = [
    "Codec",
    "Delivery",
    "Done",
    "Down",
    "Envelope",
    "Failed",
    "Kind",
    "Message",
    "StreamDecoder",
    "encode",
    "name_of",
]
