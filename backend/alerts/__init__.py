"""Alerts on their way to people: what is told, over which channel, and whether it arrived."""
