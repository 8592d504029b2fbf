"""Everything after the push: pushed versions, the server that answers for them, the client that asks."""
