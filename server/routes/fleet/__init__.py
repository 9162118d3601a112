"""For operators: `server.payloads.fleet`."""
