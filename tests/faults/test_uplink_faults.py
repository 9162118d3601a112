"""Rows N4 to N15 of the fault table: what reaches the platform, whatever the network does.

The machine is a process with the real storage, link, courier and channel; the platform is the
reference one; between them is a proxy that misbehaves (`tests.faults.fates`). The campaign, with
its figures at the end:

    RVM_TRIAL_DEPOSITS=10000 bin/test tests/faults/test_uplink_faults.py --log-cli-level=INFO
"""

import faulthandler
import importlib.util
import logging
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.fates import FATES
from tests.faults.uplink_trial import on_trial

LOG = logging.getLogger(__name__)
YEAR_S = 365 * 86_400.0
PATIENCE_S = 60.0
BEHAVE_S = 8.0
"""So long the network goes on misbehaving after the last item; then it may be the good one it is
on most days, because luck is not what is tried here."""
CAMPAIGN_DEPOSITS = int(os.environ.get("RVM_TRIAL_DEPOSITS", "0"))

pytestmark = [
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("fastapi", "uvicorn", "alembic")),
        reason="bin/setup server test: the platform's packages are not here",
    ),
    pytest.mark.timeout(180),
]


def test_over_a_hostile_network_every_credit_arrives_and_none_twice(tmp_path: Path):
    with on_trial(tmp_path, seed=5) as trial:
        trial.plan(items=150, pause_s=0.05)
        trial.proxy.share, trial.proxy.wrong_share = 0.4, 0.1
        with trial.machine() as run:
            run.until_served(PATIENCE_S)
            trial.claims += run.claims
            trial.redeem()  # before all of it has arrived: what is missing is paid in advance
            if not run.ends_within(BEHAVE_S):
                trial.proxy.behave()
            run.until_empty(PATIENCE_S)
        assert len(set(FATES) & set(trial.proxy.dealt)) > len(FATES) / 3
        trial.assert_paid_once()
        trial.assert_kept_secret()


def test_machine_and_platform_killed_at_any_moment_lose_and_double_nothing(tmp_path: Path):
    rng = random.Random(11)
    with on_trial(tmp_path, seed=11) as trial:
        trial.plan(items=150, pause_s=0.02)
        trial.proxy.share = 0.2
        for number in range(5):
            with trial.machine() as run:
                run.ends_within(rng.uniform(0.4, 3.0))
            if number % 2:
                trial.kill_platform()
                trial.start_platform()
        with trial.machine() as run:
            run.until_served(PATIENCE_S)
            trial.proxy.behave()
            run.until_empty(PATIENCE_S)
        trial.assert_paid_once()


@pytest.mark.parametrize(
    ("platform_s", "machine_s"), [(0.0, -YEAR_S), (0.0, YEAR_S), (YEAR_S, 0.0)]
)
def test_a_clock_that_is_a_year_off_costs_nothing(
    tmp_path: Path, platform_s: float, machine_s: float
):
    with on_trial(tmp_path, seed=1, off_s=platform_s) as trial:
        trial.plan(items=12, pause_s=0.0)
        with trial.machine(off_s=machine_s) as run:
            run.until_empty(PATIENCE_S)
        assert trial.assert_delivered() == 8
        assert trial.age_s() == pytest.approx(platform_s - machine_s, abs=PATIENCE_S)


@pytest.mark.slow
@pytest.mark.skipif(not CAMPAIGN_DEPOSITS, reason="RVM_TRIAL_DEPOSITS says how many")
@pytest.mark.timeout(0)
def test_a_campaign(tmp_path: Path):
    faulthandler.cancel_dump_traceback_later()  # it is meant to take that long
    rng, began_s, kills = random.Random(3), time.monotonic(), Counter()
    with on_trial(tmp_path, seed=3) as trial:
        trial.plan(CAMPAIGN_DEPOSITS * 3 // 2, pause_s=0.02)  # two of three are paid for
        trial.proxy.share, trial.proxy.wrong_share = 0.3, 0.05
        is_over = False
        while not is_over:
            with trial.machine() as run:
                is_over = run.ends_within(rng.uniform(5.0, 60.0))
                if is_over:
                    run.until_empty(PATIENCE_S)
            kills["machine"] += not is_over
            if rng.random() < 0.2:
                kills["platform"] += 1
                trial.kill_platform()
                trial.start_platform()
        took_s = time.monotonic() - began_s
        trial.assert_paid_once()
        LOG.info("%d records in %.0f s, killed: %s", len(trial.rows()), took_s, dict(kills))
        LOG.info("%s", dict(trial.proxy.dealt))
