"""Version of Headrace: of the client, the services and the images."""

__version__ = "0.1.0"
