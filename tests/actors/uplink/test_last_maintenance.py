"""When somebody last looked after the machine: told with its status, and known to the next run."""

import json
from contextlib import contextmanager

from actors.storage import Storage
from actors.uplink.reports import Reports
from config.settings import InferenceSettings, StorageSettings, UplinkSettings
from protocol.service import CycleDescribed, DescribeCycle
from protocol.uplink import Call, Called, LinkChanged
from supervisors import ChildSpec
from supervisors.testing import Probe, VirtualClock, eventually
from tests.actors.runtime import tree

NOW = 1_800_000_000.0
SERVES = CycleDescribed("idle", "", 0)
SERVICED = CycleDescribed("service", "", 0, closed="service")


class Place:
    def __init__(self, clock, deposit, link):
        self.clock, self.deposit, self.link = clock, deposit, link

    def told(self):
        calls = [call for call in list(self.link.heard) if isinstance(call, Call)]
        return [json.loads(call.body) for call in calls if call.path == "/edge/status"]

    def until(self, wanted):
        """Let time pass until the newest status is so; give its date."""

        def found():
            told = self.told()
            if told and told[-1]["status"] == wanted:
                return (told[-1]["last_maintenance"],)
            self.clock.advance(1.0)
            return None

        return eventually(found)[0]

    def is_(self, cycle):
        self.deposit._answers[DescribeCycle] = cycle


@contextmanager
def running(directory, wall_s=NOW):
    clock = VirtualClock(wall_s=wall_s)
    deposit = Probe(DescribeCycle, answers={DescribeCycle: SERVES})
    link = Probe(Call, answers={Call: Called(200, b"{}")})
    storage = {"directory": str(directory), "limits": StorageSettings()}
    reports = {
        "limits": UplinkSettings(server_url="https://rvm.example"),
        "inference": InferenceSettings(),
        "hardware_id": "rvm-1",
        "addresses": {name: f"/{name}" for name in ("storage", "deposit", "link")},
    }
    children = (
        ChildSpec("storage", Storage, args=storage),
        deposit.spec("deposit"),
        link.spec("link"),
        ChildSpec("reports", Reports, args=reports),
    )
    with tree(*children, clock=clock) as (sup, _):
        sup.tell("reports", LinkChanged(True, "server", "direct"))
        yield Place(clock, deposit, link)


def test_it_is_told_from_its_begin_on_and_by_the_next_run_too(tmp_path):
    with running(tmp_path) as place:
        assert place.until("active") is None
        place.is_(SERVICED)
        begun = place.until("maintenance")
        place.is_(SERVES)
        over = place.until("active")
        assert "2027-01-15T08:00" <= begun < over
    with running(tmp_path, NOW + 86_400) as place:
        assert place.until("active") == over


def test_a_clock_that_nobody_has_set_dates_nothing(tmp_path):
    with running(tmp_path, 86_400.0) as place:
        assert place.until("active") is None
        place.is_(SERVICED)
        assert place.until("maintenance") is None


def test_a_clock_that_was_ahead_does_not_keep_the_next_one_out(tmp_path):
    for wall_s, day in ((NOW + 400 * 86_400, "2028-02-19"), (NOW, "2027-01-15")):
        with running(tmp_path, wall_s) as place:
            place.until("active")
            place.is_(SERVICED)
            assert place.until("maintenance").startswith(day)
    with running(tmp_path) as place:
        assert place.until("active").startswith("2027-01-15")
