"""A WebSocket server that speaks the Pusher protocol, version 7: the platform's doorbell.

limits.py     what it allows
channels.py   kinds of channels, by their names
frames.py     what the server says
socket.py     one client: what waits to be sent to it, and what it may send
room.py       one channel: who is in it
hub.py        all of them
hearing.py    what a client's frames lead to
websocket.py  the way in, /app/KEY
signed.py     who may publish: a signature over every request
api.py        publishing and asking by HTTP, /apps/ID/…
serving.py    uvicorn, which takes leave in the protocol's words
bells.py      the platform's own way to ring: here, or at another Pusher server

docs/pusher.md says what it does where servers of this protocol differ.
"""
