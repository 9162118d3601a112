"""The reference platform: what the machines report to, and what a team reads to build its own.

    cli, serve     bin/rvm-server: start, migrate, enrol-token, openapi
    app            create_app(settings): everything put together
    settings       from the environment, one frozen value
    services       what the routes share: database, clock, bell, limits
    routes/        one module per conversation of docs/platform-contract.md; thin
      fleet/       the same for operators
    payloads/      what telephones and operators say; machines' words are in protocol/platform/
    examples/      one of every payload
    http/          bodies read and answered, failures, who is asking, OpenAPI
    rules/         what is decided without any I/O
    claims         the claim tokens of guests, byte by byte
    store/         the SQL behind each conversation, and files on the disk
    tables/        every table, on SQLite and PostgreSQL alike
    migrations/    how a database got there
    housekeeping   what is thrown away by itself
    bell, pusher/  the doorbell
    pages/         the fleet page
    clock          the one place that reads the time
    faults         bad behaviour on demand, for tests

Imports `protocol` and nothing else of ours. To read it from the top: one deposit is
routes/deposits.py, store/deposits.py, rules/deposits.py and store/rewards.py.
"""
