"""Files: whole or in pieces, verified, stored once."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from protocol.platform.media import FILE_BYTES_MAX, PIECE_BYTES_MAX, PIECE_TYPE
from server.store.images import OPEN_MAX
from tests.server.platform import Machine, Platform, sha256

PICTURE = random.Random(7).randbytes(300_000)


def metadata(content: bytes = PICTURE, **changes: Any) -> dict[str, Any]:
    return {
        "key": "rvm-1-1-1.jpg",
        "name": "../../etc/passwd",
        "content_type": "image/jpeg",
        "size": len(content),
        "sha256": sha256(content),
        "timestamp": "2026-11-21T12:30:00Z",
        **changes,
    }


def send(machine: Machine, content: bytes = PICTURE, said: dict | None = None):
    form = {"metadata": json.dumps(said or metadata(content))}
    files = {"file": ("../../x", content, "image/jpeg")}
    return machine.platform.run(machine.request("POST", "/files", data=form, files=files))


def begin(machine: Machine, said: dict | None = None) -> dict[str, Any]:
    return machine.post("/uploads", said or metadata()).json()["data"]


def add(machine: Machine, upload: str, offset: int, piece: bytes, **headers: str):
    headers = {"Content-Type": PIECE_TYPE, "Upload-Offset": str(offset), **headers}
    return machine.platform.run(
        machine.request("PATCH", f"/uploads/{upload}", content=piece, headers=headers)
    )


def offset(machine: Machine, upload: str) -> int:
    return int(machine.ask("HEAD", f"/uploads/{upload}").headers["upload-offset"])


def stored(platform: Platform) -> list[str]:
    """Everything in the folder of files."""
    root = platform.settings.files_dir
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def blob(content: bytes) -> str:
    digest = sha256(content)
    return f"blobs/{digest[:2]}/{digest}"


def test_a_file_in_a_form_is_kept_once_and_shown_to_the_operator(either: Platform):
    machine = either.machine()
    first, again = send(machine), send(machine)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = send(machine, said=metadata(key="another"))
    assert other.status_code == 201
    assert stored(either) == [blob(PICTURE)]
    found = either.operator.get(f"/fleet/files/{first.json()['data']['file_id']}")
    assert found.content == PICTURE
    assert found.headers["x-content-type-options"] == "nosniff"
    assert machine.get("/fleet/files/1").status_code == 403
    assert either.operator.get("/fleet/files/99").status_code == 404


def test_a_file_that_is_a_page_is_not_shown_as_one(platform: Platform):
    machine = platform.machine()
    page = b"<script>alert(1)</script>"
    known = send(machine, page, metadata(page, content_type="text/html")).json()["data"]
    shown = platform.operator.get(f"/fleet/files/{known['file_id']}")
    assert "html" not in shown.headers["content-type"]
    assert shown.headers["content-security-policy"] == "sandbox"


@pytest.mark.parametrize("said", [metadata(size=299_999), metadata(sha256="0" * 64)])
def test_other_bytes_than_announced_leave_nothing(platform: Platform, said: dict):
    answer = send(platform.machine(), said=said)
    assert (answer.status_code, answer.json()["code"]) == (422, "digest")
    assert stored(platform) == []


def test_another_file_under_a_key_is_refused(platform: Platform):
    machine = platform.machine()
    send(machine)
    assert send(machine, b"another").json()["code"] == "key_reused"
    assert machine.post("/uploads", metadata(b"another")).json()["code"] == "key_reused"


@pytest.mark.parametrize("form", [{}, {"metadata": "{}"}, {"metadata": "no JSON"}])
def test_a_form_that_says_too_little_is_refused(platform: Platform, form: dict):
    machine = platform.machine()
    files = {"file": ("x", b"x")}
    answer = platform.run(machine.request("POST", "/files", data=form, files=files))
    assert answer.status_code == 422


def test_a_form_without_end_is_refused_on_the_way(platform: Platform):
    machine = platform.machine()
    sent = 0

    async def endless():
        nonlocal sent
        yield (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n'
            b"Content-Type: image/jpeg\r\n\r\n"
        )
        while True:
            sent += 1 << 20
            yield bytes(1 << 20)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = platform.run(machine.request("POST", "/files", content=endless(), headers=headers))
    assert answer.status_code == 413
    assert sent <= FILE_BYTES_MAX + (4 << 20)
    assert stored(platform) == []


def test_a_file_in_pieces_goes_on_where_it_was_cut(either: Platform):
    machine = either.machine()
    upload = begin(machine)
    assert (upload["offset"], upload["size"]) == (0, len(PICTURE))
    name = upload["upload_id"]
    assert add(machine, name, 0, PICTURE[:100_000]).headers["upload-offset"] == "100000"
    # The machine has lost its memory: the same announcement, the same upload.
    assert begin(machine) == {**upload, "offset": 100_000}
    assert offset(machine, name) == 100_000
    wrong = add(machine, name, 0, PICTURE[:100_000])
    assert (wrong.status_code, wrong.headers["upload-offset"]) == (409, "100000")
    early = machine.post(f"/uploads/{name}/end")
    assert (early.status_code, early.headers["upload-offset"]) == (409, "100000")
    assert add(machine, name, 100_000, PICTURE[100_000:]).status_code == 204
    ended = [machine.post(f"/uploads/{name}/end") for _ in range(2)]
    assert [one.status_code for one in ended] == [200, 200]
    assert ended[0].json() == ended[1].json()
    assert offset(machine, name) == len(PICTURE)
    assert stored(either) == [blob(PICTURE)]


def test_the_same_piece_from_two_connections_is_added_once(platform: Platform):
    machine = platform.machine()
    name = begin(machine)["upload_id"]
    headers = {"Content-Type": PIECE_TYPE, "Upload-Offset": "0"}
    answers = platform.together(
        *(
            machine.request("PATCH", f"/uploads/{name}", content=PICTURE, headers=headers)
            for _ in range(4)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [204, 409, 409, 409]
    assert machine.post(f"/uploads/{name}/end").status_code == 200


def test_pieces_of_something_else_begin_again(platform: Platform):
    machine = platform.machine()
    name = begin(machine)["upload_id"]
    add(machine, name, 0, bytes(len(PICTURE)))
    answer = machine.post(f"/uploads/{name}/end")
    assert (answer.status_code, answer.json()["code"]) == (422, "digest")
    assert offset(machine, name) == 0
    add(machine, name, 0, PICTURE)
    assert machine.post(f"/uploads/{name}/end").status_code == 200


def test_of_a_file_that_is_here_nothing_is_left_to_send(platform: Platform):
    machine = platform.machine()
    sent = send(machine).json()["data"]
    upload = begin(machine)
    assert upload["offset"] == upload["size"]
    assert machine.post(f"/uploads/{upload['upload_id']}/end").json()["data"] == sent
    other = begin(machine, metadata(key="the same content"))
    assert other["offset"] == other["size"]


def test_what_another_machine_has_sent_is_not_known_to_this_one(platform: Platform):
    first, second = platform.machine("rvm-1"), platform.machine("rvm-2")
    upload = begin(first)
    send(first)
    assert begin(second)["offset"] == 0
    name = upload["upload_id"]
    assert second.ask("HEAD", f"/uploads/{name}").status_code == 404
    assert add(second, name, 0, b"x").status_code == 404
    assert second.post(f"/uploads/{name}/end").status_code == 404


def test_pieces_have_limits(platform: Platform):
    machine = platform.machine()
    name = begin(machine)["upload_id"]
    assert add(machine, name, 0, bytes(PIECE_BYTES_MAX + 1)).status_code == 413
    assert add(machine, name, 0, bytes(len(PICTURE) + 1)).status_code == 422
    assert add(machine, name, -1, b"x").status_code == 422
    assert add(machine, name, 0, b"x", **{"Content-Type": "text/plain"}).status_code == 415
    assert offset(machine, name) == 0


def test_an_empty_file_is_a_file(platform: Platform):
    machine = platform.machine()
    name = begin(machine, metadata(b""))["upload_id"]
    assert machine.post(f"/uploads/{name}/end").status_code == 200
    assert stored(platform) == [blob(b"")]


def test_the_end_that_is_asked_for_twice_at_once_is_one_file(either: Platform):
    machine = either.machine()
    upload = begin(machine)["upload_id"]
    add(machine, upload, 0, PICTURE)
    answers = either.together(
        *(machine.sending("POST", f"/uploads/{upload}/end") for _ in range(5))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert stored(either) == [blob(PICTURE)]


def test_an_end_that_was_cut_short_before_it_was_written_down_needs_no_bytes_again(
    platform: Platform,
):
    machine = platform.machine()
    upload = begin(machine)["upload_id"]
    add(machine, upload, 0, PICTURE)
    blobs = platform.app.state.services.blobs
    blobs.complete(blobs.part_of(upload), sha256(PICTURE), len(PICTURE))  # and the power goes
    assert offset(machine, upload) == len(PICTURE)
    assert machine.post(f"/uploads/{upload}/end").status_code == 200
    assert stored(platform) == [blob(PICTURE)]


def test_a_machine_that_begins_without_end_takes_no_more_room(platform: Platform):
    machine, other = platform.machine("rvm-1"), platform.machine("rvm-2")
    kept = begin(other)["upload_id"]
    ids = [begin(machine, metadata(key=f"f{n}"))["upload_id"] for n in range(OPEN_MAX + 3)]
    assert sorted(stored(platform)) == sorted(f"parts/{one}" for one in (*ids[3:], kept))
    assert machine.ask("HEAD", f"/uploads/{ids[0]}").status_code == 404
    assert offset(machine, ids[-1]) == 0


def test_what_is_here_already_is_begun_once_however_often_it_is_asked_for(platform: Platform):
    machine = platform.machine()
    send(machine)
    begun = [begin(machine) for _ in range(3)]
    assert begun[0] == begun[1] == begun[2]
    assert begun[0]["offset"] == len(PICTURE)


def test_a_file_that_the_disk_has_lost_is_not_there(platform: Platform):
    machine = platform.machine()
    known = send(machine).json()["data"]
    (platform.settings.files_dir / blob(PICTURE)).unlink()
    assert platform.operator.get(f"/fleet/files/{known['file_id']}").status_code == 404
