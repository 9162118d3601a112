"""Telephones, and whoever only asks whether the platform is there."""

from __future__ import annotations

from server.examples.machines import AT, HARDWARE_ID, KEY, SESSION, SHA256
from server.payloads import customers as words
from server.payloads.anybody import Up

EXAMPLES = (
    Up(server_time=AT),
    words.Scan(hardware_id=HARDWARE_ID, code="7QK3M9T2XW4B8HZD"),
    words.SessionAsked(request_id=810, state="started", session=SESSION),
    words.Redeem(token="08" + "0123456789ABCDEFGHJKMNPQRSTVWXYZ" * 7),
    words.Redeemed(session=SESSION, items=3, in_review=1, total=4200),
    words.Account(reference="u-9c1185a5c5e9fc54", name="Sari", total=4200, deposits=41),
    words.OwnDeposits(
        items=(
            words.OwnDeposit(
                key=KEY, state="credited", waste_type="mineral", received_at=AT, reward=100
            ),
        )
    ),
    words.Signed(auth=f"278d525bdf162c739803:{SHA256}"),
)
