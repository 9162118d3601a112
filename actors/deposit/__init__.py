"""The item cycle at work: `actor` hears, `errands` carries out, `neighbours` finds lost ones."""
