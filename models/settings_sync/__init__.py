"""Settings in sync (docs/settings.md): `life` of a version, and `verdict` on each of its keys."""
