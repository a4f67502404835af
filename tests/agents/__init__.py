"""Coding agents that people use, at work through the gateway."""
