"""What the machine says to people, in Indonesian and English. Codes decide, texts explain.

    REASON_TEXTS    why an item was not taken, or why the machine takes none: one for every code
    SCREEN_TEXTS    what the customer's screen says about a session, with the values it names

Every code has a text in every language, of the same values: tests/models/test_texts.py. Counts
stand behind a colon, so that no language needs a plural.
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from models.reasons import Reason

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
    Reason.TOO_LONG: {
        "id": "Barang terlalu panjang untuk mesin ini.",
        "en": "The item is too long for this machine.",
    },
    Reason.TOO_SHORT: {
        "id": "Barang terlalu kecil untuk mesin ini.",
        "en": "The item is too small for this machine.",
    },
    Reason.TOO_LIGHT: {
        "id": "Barang terlalu ringan untuk sebuah botol.",
        "en": "The item is too light for a bottle.",
    },
    Reason.WEIGHT_UNKNOWN: {
        "id": "Botol tidak dapat ditimbang. Silakan coba sekali lagi.",
        "en": "The bottle could not be weighed. Please try once more.",
    },
    Reason.NO_ITEM: {
        "id": "Tidak ada barang yang masuk. Silakan masukkan botol.",
        "en": "Nothing came in. Please insert a bottle.",
    },
    Reason.STALE_PICTURE: {
        "id": "Foto belum siap. Silakan coba sekali lagi.",
        "en": "The picture came too late. Please try once more.",
    },
    Reason.CAMERA_FAILED: {
        "id": "Kamera sedang terganggu. Silakan ambil botol Anda.",
        "en": "The camera is not working. Please take your bottle back.",
    },
    Reason.INFERENCE_FAILED: {
        "id": "Botol tidak dapat diperiksa saat ini. Silakan ambil kembali.",
        "en": "The bottle cannot be checked right now. Please take it back.",
    },
    Reason.TOO_SLOW: {
        "id": "Pemeriksaan terlalu lama. Silakan coba sekali lagi.",
        "en": "The check took too long. Please try once more.",
    },
    Reason.STORAGE_FAILED: {
        "id": "Mesin tidak dapat menyimpan data, sehingga tidak menerima botol.",
        "en": "The machine cannot save data, so it takes no bottles.",
    },
    Reason.GATE_OBSTACLE: {
        "id": "Ada yang menghalangi pintu. Silakan jauhkan tangan Anda.",
        "en": "Something is in the way of the gate. Please keep your hands away.",
    },
    Reason.GATE_STUCK: {
        "id": "Pintu mesin macet. Petugas akan membantu.",
        "en": "The gate is stuck. Our staff will help.",
    },
    Reason.JAM: {
        "id": "Botol tersangkut di dalam mesin. Petugas akan membantu.",
        "en": "A bottle is jammed in the machine. Our staff will help.",
    },
    Reason.MOTOR_FAILED: {
        "id": "Penggerak mesin terganggu. Silakan gunakan mesin lain.",
        "en": "The drive is not working. Please use another machine.",
    },
    Reason.SENSOR_FAILED: {
        "id": "Sensor mesin terganggu. Silakan gunakan mesin lain.",
        "en": "A sensor is not working. Please use another machine.",
    },
    Reason.TRANSPORT_TIMEOUT: {
        "id": "Botol tidak bergerak sampai ke wadah. Botol ini tidak dihitung.",
        "en": "The bottle did not get to the bin in time. It was not counted.",
    },
    Reason.DROP_NOT_SEEN: {
        "id": "Jatuhnya botol tidak terlihat. Petugas akan memeriksanya.",
        "en": "The bottle was not seen to drop. Our staff will look into it.",
    },
    Reason.INTERRUPTED: {
        "id": "Listrik terputus saat botol diproses. Petugas akan memeriksanya.",
        "en": "The machine was interrupted at this bottle. Our staff will look into it.",
    },
    Reason.RESTARTED: {
        "id": "Mesin baru menyala kembali. Silakan ambil barang Anda.",
        "en": "The machine has just restarted. Please take your item back.",
    },
    Reason.WRONG_ORDER: {
        "id": "Botol tidak bergerak seperti seharusnya dan tidak dihitung.",
        "en": "The bottle did not move as it should and was not counted.",
    },
    Reason.PULLED_BACK: {
        "id": "Botol ditarik kembali dan tidak dihitung.",
        "en": "The bottle was pulled back and was not counted.",
    },
    Reason.SWAPPED: {
        "id": "Botol berubah setelah diperiksa dan tidak dihitung.",
        "en": "The bottle changed after the check and was not counted.",
    },
    Reason.REINSERTED: {
        "id": "Barang ini baru saja ditolak. Silakan ambil kembali.",
        "en": "This item has just been refused. Please take it back.",
    },
    Reason.LOCKED_OUT: {
        "id": "Mesin berhenti menerima sebentar. Silakan tunggu satu menit.",
        "en": "The machine pauses for a moment. Please wait a minute.",
    },
    Reason.TOO_FAST: {
        "id": "Terlalu cepat. Silakan tunggu sebentar sebelum botol berikutnya.",
        "en": "That was too fast. Please wait a moment before the next bottle.",
    },
    Reason.BOOTING: {
        "id": "Mesin sedang dinyalakan. Mohon tunggu.",
        "en": "The machine is starting. Please wait.",
    },
    Reason.SELFTEST: {
        "id": "Mesin sedang memeriksa diri. Mohon tunggu.",
        "en": "The machine is testing itself. Please wait.",
    },
    Reason.NO_SESSION: {
        "id": "Silakan pindai kode atau lanjut sebagai tamu terlebih dahulu.",
        "en": "Please scan the code or continue as a guest first.",
    },
    Reason.BIN_FULL: {
        "id": "Wadah penuh. Petugas akan segera mengosongkannya.",
        "en": "The bin is full. Our staff will empty it soon.",
    },
    Reason.ABANDONED: {
        "id": "Ada barang yang tertinggal di pintu. Silakan ambil barang itu.",
        "en": "An item was left in the gate. Please take it out.",
    },
    Reason.DOOR_OPEN: {
        "id": "Pintu servis terbuka. Mesin berhenti.",
        "en": "The service door is open. The machine has stopped.",
    },
    Reason.ESTOP: {
        "id": "Tombol darurat ditekan. Mesin berhenti.",
        "en": "The emergency stop is pressed. The machine has stopped.",
    },
    Reason.SERVICE: {
        "id": "Mesin sedang diservis. Silakan kembali lagi nanti.",
        "en": "The machine is being serviced. Please come back later.",
    },
    Reason.FAULT: {
        "id": "Mesin sedang tidak berfungsi. Petugas sudah diberi tahu.",
        "en": "The machine is out of order. Our staff has been told.",
    },
}

SCREEN_TEXTS: Mapping[str, Mapping[Language, str]] = {
    "welcome_automatic": {
        "id": "Masukkan botol, atau pindai kode dengan aplikasi.",
        "en": "Insert a bottle, or scan the code with the app.",
    },
    "welcome_button": {
        "id": "Pindai kode dengan aplikasi, atau sentuh Tamu.",
        "en": "Scan the code with the app, or touch Guest.",
    },
    "welcome_off": {
        "id": "Pindai kode dengan aplikasi untuk mulai.",
        "en": "Scan the code with the app to start.",
    },
    "button_guest": {
        "id": "Tamu",
        "en": "Guest",
    },
    "button_more_time": {
        "id": "Tambah waktu",
        "en": "More time",
    },
    "button_finish": {
        "id": "Selesai",
        "en": "Finish",
    },
    "serving": {
        "id": "Masukkan botol satu per satu. Diterima: {items}.",
        "en": "Insert bottles one at a time. Accepted: {items}.",
    },
    "working": {
        "id": "Mohon tunggu, botol sedang diproses.",
        "en": "Please wait, a bottle is being processed.",
    },
    "warn": {
        "id": "Masih di sini? Sesi berakhir dalam {seconds} detik.",
        "en": "Are you still there? The session ends in {seconds} s.",
    },
    "ending": {
        "id": "Mohon tunggu, botol terakhir sedang diselesaikan.",
        "en": "Please wait, the last bottle is being finished.",
    },
    "ended": {
        "id": "Sesi selesai. Botol diterima: {items}. Terima kasih.",
        "en": "The session has ended. Bottles accepted: {items}. Thank you.",
    },
    "ended_nothing": {
        "id": "Sesi selesai. Tidak ada botol yang diterima.",
        "en": "The session has ended. No bottle was accepted.",
    },
    "ended_in_review": {
        "id": "Masih diperiksa petugas: {items}.",
        "en": "Still being checked by our staff: {items}.",
    },
    "claim": {
        "id": "Pindai kode ini dengan aplikasi sebelum {date}. Berlaku satu kali.",
        "en": "Scan this code with the app before {date}. It is valid once.",
    },
    "reason_finished": {
        "id": "Anda telah mengakhiri sesi.",
        "en": "You have ended the session.",
    },
    "reason_idle": {
        "id": "Sesi berakhir karena tidak ada botol baru.",
        "en": "The session ended because no bottle came.",
    },
    "reason_expired": {
        "id": "Waktu sesi telah habis.",
        "en": "The time of the session is over.",
    },
    "reason_revoked": {
        "id": "Sesi diakhiri oleh layanan.",
        "en": "The session was ended by the service.",
    },
    "reason_interrupted": {
        "id": "Sesi terputus karena mesin menyala kembali.",
        "en": "The session was interrupted by a restart.",
    },
    "refused_code_unknown": {
        "id": "Kode ini tidak berlaku. Pindai kode di layar.",
        "en": "This code is not valid. Scan the one on the screen.",
    },
    "refused_code_expired": {
        "id": "Kode ini sudah kedaluwarsa. Silakan pindai yang baru.",
        "en": "This code has expired. Please scan the new one.",
    },
    "refused_code_used": {
        "id": "Kode ini sudah digunakan. Silakan pindai yang baru.",
        "en": "This code has been used. Please scan a new one.",
    },
    "refused_busy": {
        "id": "Pelanggan lain sedang dilayani. Mohon tunggu.",
        "en": "Another customer is being served. Please wait.",
    },
    "refused_closed": {
        "id": "Mesin sedang tidak menerima botol.",
        "en": "The machine takes no bottles at the moment.",
    },
    "refused_guests_not_served": {
        "id": "Silakan mulai dengan aplikasi.",
        "en": "Please start with the app.",
    },
    "refused_invalid": {
        "id": "Akun tidak dikenali. Silakan coba lagi.",
        "en": "The account was not recognised. Please try again.",
    },
    "refused_store_failed": {
        "id": "Sesi tidak dapat disimpan. Silakan coba nanti.",
        "en": "The session cannot be saved. Please try later.",
    },
}


def reason_text(reason: Reason, language: Language) -> str:
    """Say a reason to a person."""
    return REASON_TEXTS[reason][language]


def screen_text(key: str, language: Language, **values: str | int) -> str:
    """Say what a screen says, with its values filled in.

    Raises:
        KeyError: no such text, or a value that it names is missing.
    """
    return SCREEN_TEXTS[key][language].format_map(values)
