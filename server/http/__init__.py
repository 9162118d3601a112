"""HTTP: bodies in, answers out, who is asking, and how it is described."""
