"""The session's rules (docs/sessions.md): `rule` decides, `view` says what people see of it."""
