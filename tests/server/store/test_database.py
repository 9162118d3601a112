"""A database that is away is told as such, and comes back by itself."""

from __future__ import annotations

import pytest

from tests.server.platform import Start


def test_a_database_that_has_gone_is_503_and_not_a_fault_of_the_asker(
    start: Start, postgres, caplog: pytest.LogCaptureFixture
):
    platform = start(postgres.new_database())
    machine = platform.machine()
    postgres.stop()
    try:
        answers = [
            machine.get("/edge/commands"),
            machine.post("/edge/challenges", {"hardware_id": "rvm-1"}),
            machine.get("//up"),
        ]
    finally:
        postgres.restart()
    assert [answer.status_code for answer in answers] == [503, 200, 200]
    assert int(answers[0].headers["retry-after"]) > 0
    assert "the database does not answer" in caplog.text
    assert machine.token not in caplog.text
    assert machine.post("/deposits", machine.deposit()).status_code == 201
