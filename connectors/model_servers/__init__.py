"""Servers that a team's own models run on: Label Studio's ML backend contract, and chat endpoints.

Here is how they are asked and what came back; what an answer means is said in ``backend``.
"""
