"""Breakers: audits that stop auto-accept, what takes it back, and what arms it again."""
