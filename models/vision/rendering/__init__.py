"""Pictures of the chamber, rendered."""
