"""The session: `actor`, what it asks the `ledger`, and the device `keys` that sign its claims."""
