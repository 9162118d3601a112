"""What the machine says to people, in Indonesian and English. Codes decide, texts explain."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from models.acceptance import Reason

Language: TypeAlias = Literal["id", "en"]
LANGUAGES: tuple[Language, ...] = ("id", "en")

REASON_TEXTS: Mapping[Reason, Mapping[Language, str]] = {
    Reason.ACCEPTED: {
        "id": "Terima kasih, botol diterima.",
        "en": "Thank you, the bottle was accepted.",
    },
    Reason.NOTHING_SEEN: {
        "id": "Tidak ada barang di dalam mesin.",
        "en": "There is no item in the machine.",
    },
    Reason.NOT_RECOGNISED: {
        "id": "Barang tidak dikenali. Silakan coba sekali lagi.",
        "en": "The item was not recognised. Please try once more.",
    },
    Reason.SEVERAL_ITEMS: {
        "id": "Masukkan satu botol saja.",
        "en": "Please insert one bottle at a time.",
    },
    Reason.NOT_EMPTY: {
        "id": "Botol masih berisi. Silakan kosongkan dahulu.",
        "en": "The bottle is not empty. Please empty it first.",
    },
    Reason.REFUSED_SODA: {
        "id": "Botol atau kaleng minuman ringan tidak diterima.",
        "en": "Soft drink bottles and cans are not accepted.",
    },
    Reason.REFUSED_MILK: {
        "id": "Kemasan susu tidak diterima.",
        "en": "Milk packages are not accepted.",
    },
    Reason.REFUSED_YOGURT: {
        "id": "Kemasan yogurt tidak diterima.",
        "en": "Yogurt packages are not accepted.",
    },
    Reason.REFUSED_DISHWASHER: {
        "id": "Botol sabun atau deterjen tidak diterima.",
        "en": "Detergent bottles are not accepted.",
    },
    Reason.REFUSED_NON_MINERAL: {
        "id": "Hanya botol air mineral yang diterima.",
        "en": "Only mineral water bottles are accepted.",
    },
    Reason.REFUSED_OTHER: {
        "id": "Jenis barang ini tidak diterima.",
        "en": "This kind of item is not accepted.",
    },
}


def reason_text(reason: Reason, language: Language) -> str:
    """Say a reason to a person."""
    return REASON_TEXTS[reason][language]
