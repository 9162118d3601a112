"""Columns that every table is made of, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

metadata = sa.MetaData(
    naming_convention={  # so that migrations can name what SQLite leaves without a name
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
# SQLite numbers rows by itself only in a column that is an INTEGER.
Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Time = sa.Double


def table(name: str, *parts: sa.schema.SchemaItem) -> sa.Table:
    """A table whose rows are numbered."""
    return sa.Table(name, metadata, sa.Column("id", Id, primary_key=True), *parts)


def text(name: str, *, unique: bool = False) -> sa.Column[str]:
    """A text; empty if nothing is said."""
    return sa.Column(name, sa.Text, nullable=False, server_default="", unique=unique)


def time(name: str, *, nullable: bool = False) -> sa.Column[float]:
    """Seconds since 1970."""
    return sa.Column(name, Time, nullable=nullable)


def count(name: str) -> sa.Column[int]:
    """A whole number, 0 at first."""
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0")


def flag(name: str, *, nullable: bool = False) -> sa.Column[bool]:
    """Yes or no."""
    return sa.Column(name, sa.Boolean, nullable=nullable)


def json(name: str) -> sa.Column[object]:
    """Anything that JSON can say."""
    return sa.Column(name, JSON, nullable=False)


def to(name: str, table: str, *, nullable: bool = False, index: bool = False) -> sa.Column[int]:
    """A row of another table."""
    return sa.Column(name, Id, sa.ForeignKey(f"{table}.id"), nullable=nullable, index=index)


def of_machine(*, index: bool = False) -> sa.Column[int]:
    """The machine's number."""
    return to("rvm_id", "reverse_vending_machines", index=index)
