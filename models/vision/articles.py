"""The list of known articles: what a bar code stands for.

    ean,name,material,accepted
    2000000000008,Spring water 0.6 l,pet,yes
    2000000000015,Orange soda 0.33 l,can,no

Read strictly: one wrong line and there is no list, with the file, the line and the cure. A list
that was read in part would turn down articles that its author believes to be in it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from models.vision.barcode import normalised
from models.vision.errors import ArticlesInvalid

HEADER = ["ean", "name", "material", "accepted"]
ANSWERS: Mapping[str, bool] = MappingProxyType({"yes": True, "no": False})
MATERIALS = ("can", "carton", "glass", "hdpe", "other", "pet", "pp")
NAME_CHARACTERS_MAX = 200
# A country's bottles and cans are some ten thousand; a hundred thousand take 40 MB of memory.
ARTICLES_MAX = 100_000


class Article(msgspec.Struct, frozen=True):
    """One article.

    Attributes:
        ean: 13 digits; of a UPC-A with a zero before it.
        material: one of `MATERIALS`.
        accepted: whether its owner wants the machine to take it.
    """

    ean: str
    name: str
    material: str
    accepted: bool


def chamber_articles_file() -> Path:
    """Say where the list lies that ships for the simulated machine."""
    return Path(__file__).resolve().parent.parent / "world" / "articles.csv"


def load_articles(path: Path) -> Mapping[str, Article]:
    """Read a list of articles, by their EAN.

    Raises:
        ArticlesInvalid: with the file, the line and what to do about it.
    """
    try:
        # Spreadsheets put a byte order mark before the first name.
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return MappingProxyType(dict(_articles(path, lines)))
    except OSError as error:
        raise ArticlesInvalid(f"cannot read {path}: {error.strerror}; name a list") from error
    except UnicodeDecodeError as error:
        raise ArticlesInvalid(f"{path} is no UTF-8 text ({error}); save it as CSV UTF-8") from error
    except csv.Error as error:
        raise ArticlesInvalid(f"{path} is no table: {error}; save it as CSV") from error


def _articles(path: Path, lines: Iterator[str]) -> Iterator[tuple[str, Article]]:
    rows = csv.reader(lines, strict=True)
    header = next(rows, [])
    if header != HEADER:
        raise ArticlesInvalid(
            f"{path}, line 1: wants {','.join(HEADER)}, not {','.join(header)!r}; correct the"
            " header, with commas between the columns"
        )
    seen: dict[str, int] = {}
    for row in rows:
        where = f"{path}, line {rows.line_num}"
        if not row:
            continue
        article = _article(where, row)
        if article.ean in seen:
            first = seen[article.ean]
            raise ArticlesInvalid(f"{where}: {article.ean} stands in line {first}; remove one")
        if len(seen) == ARTICLES_MAX:
            raise ArticlesInvalid(f"{where}: more than {ARTICLES_MAX} articles; shorten the list")
        seen[article.ean] = rows.line_num
        yield article.ean, article


def _article(where: str, row: list[str]) -> Article:
    if len(row) != len(HEADER):
        raise ArticlesInvalid(
            f"{where}: has {len(row)} values, not {len(HEADER)}; put a name with a comma in quotes"
        )
    text, name, material, accepted = (value.strip() for value in row)
    ean = normalised(text)
    if ean is None:
        raise ArticlesInvalid(
            f"{where}: {text!r} is no EAN-13 or UPC-A (12 or 13 digits, the last one checks the"
            " others); copy it from the article"
        )
    if not 0 < len(name) <= NAME_CHARACTERS_MAX or not name.isprintable():
        raise ArticlesInvalid(
            f"{where}: a name has 1 to {NAME_CHARACTERS_MAX} printable characters; correct it"
        )
    if material not in MATERIALS:
        raise ArticlesInvalid(
            f"{where}: material {material!r} is none of {', '.join(MATERIALS)}; correct it"
        )
    if accepted not in ANSWERS:
        raise ArticlesInvalid(f"{where}: accepted is yes or no, not {accepted!r}; correct it")
    return Article(ean, name, material, ANSWERS[accepted])
