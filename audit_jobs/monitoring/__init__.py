"""Monitoring of a deployed model: how often it is right, over time, and whether that decays."""
