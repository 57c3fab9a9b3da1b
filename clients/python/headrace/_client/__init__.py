"""The calls of the clients, in groups: ``Client`` and ``SyncClient`` inherit from all of them."""
