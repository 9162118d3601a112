"""The motor guard's rules (docs/guard.md).

rules     `Guard`: looks, obeys, refuses; begin here
terms     the words: orders, states, what is said
senses    contacts, encoder and current as the guard believes them
view      what follows from them: is something jammed, broken, moving by itself
gate      limit switches and the stroke that was learned
limits    how long a motor may run, at once and in a minute
"""
