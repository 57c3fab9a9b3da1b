"""Slots that the whole fleet shares, of a tenant or of a model."""
