"""The ledger's rules (docs/ledger.md).

transitions    which state may follow which
chain          bytes, hash and checksum of an entry; following a chain
room           who may still write when there is little room
audit          replaying a journal and comparing what it should have led to
"""
