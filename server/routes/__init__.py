"""One module per conversation of docs/platform-contract.md."""
