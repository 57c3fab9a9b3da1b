"""The image of the services, and an engine to build and try it with."""
