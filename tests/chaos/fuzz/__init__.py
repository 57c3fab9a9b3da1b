"""Random requests to every call of the public API and of the services between."""
