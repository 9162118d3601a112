"""The fleet page, ``/fleet``: static files, and a stream of what changes.

routes.py   the files, with a policy that lets nothing else in
live.py     the stream: server-sent events
static/     one document, one style sheet, modules of JavaScript; nothing is built

The page holds nothing that the fleet API would not tell: it asks with the operator's token.
"""
