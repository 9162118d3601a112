"""The uplink: `link` is the way to the platform; what goes over it has an actor of its own each."""

from actors.uplink.courier import Courier
from actors.uplink.link import Link
from actors.uplink.media import Media
from actors.uplink.reports import Reports

__all__ = ["Courier", "Link", "Media", "Reports"]
