"""The rule of bar codes: which of the digits that were read are believed.

    __init__.py    this rule; needs neither numpy nor OpenCV
    decoders.py    OpenCV's reader and zxing-cpp's, behind one interface
    reader.py      from a picture and its boxes to codes

A decoder's word alone is worth little: of blurred codes, one gives wrong digits whose check digit
is right, again and again. So a code is believed if both decoders read it, or if the article list
knows it. It never decides about an item; it goes into the evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from protocol.vision import Barcode

if TYPE_CHECKING:
    from models.vision.articles import Article

EAN_DIGITS = 13
UPC_DIGITS = 12
AGREEING = 2
_DECIMAL = frozenset("0123456789")


class Reading(NamedTuple):
    """What one decoder said about one place.

    Attributes:
        place: the item it was read on; codes of one place contradict each other.
        text: 13 digits, see `normalised`.
        decoder: its name.
    """

    place: int
    text: str
    decoder: str


def normalised(text: str) -> str | None:
    """Give the 13 digits of an EAN-13 or UPC-A; None for anything else.

    OpenCV leaves a leading zero out, and it invents EAN-8 where there are too few pixels: of other
    lengths than 12 and 13 digits nothing is taken.
    """
    if len(text) not in (UPC_DIGITS, EAN_DIGITS) or not _DECIMAL.issuperset(text):
        return None
    digits = text.zfill(EAN_DIGITS)
    return digits if check_digit(digits[:-1]) == int(digits[-1]) else None


def check_digit(digits: str) -> int:
    """Compute the last digit of an EAN-13 from the twelve before it."""
    weighted = sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(digits))
    return -weighted % 10


def settle(readings: Iterable[Reading], articles: Mapping[str, Article]) -> tuple[Barcode, ...]:
    """Decide which codes are believed, place by place.

    An item has one code. Where both decoders agree on one, what else was read there is a misread;
    where the list alone speaks for several, nobody can say which it is, and none counts.
    """
    places: dict[int, dict[str, set[str]]] = {}
    for reading in readings:
        places.setdefault(reading.place, {}).setdefault(reading.text, set()).add(reading.decoder)
    believed: dict[str, set[str]] = {}
    for decoders_by_text in places.values():
        text = _believed(decoders_by_text, articles)
        if text is not None:
            believed.setdefault(text, set()).update(decoders_by_text[text])
    return tuple(
        _barcode(text, decoders, articles.get(text)) for text, decoders in sorted(believed.items())
    )


def _believed(
    decoders_by_text: Mapping[str, set[str]], articles: Mapping[str, Article]
) -> str | None:
    agreed = [text for text, decoders in decoders_by_text.items() if len(decoders) >= AGREEING]
    if agreed:
        return agreed[0] if len(agreed) == 1 else None
    known = [text for text in decoders_by_text if text in articles]
    return known[0] if len(known) == 1 else None


def _barcode(text: str, decoders: set[str], article: Article | None) -> Barcode:
    read_by = tuple(sorted(decoders))
    if article is None:
        return Barcode(text, read_by)
    return Barcode(text, read_by, article.name, article.material, article.accepted)
