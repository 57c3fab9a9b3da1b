"""Bounds of requests, as the rules of their protos state them."""
