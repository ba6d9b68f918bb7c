"""Commands of the running system, one click group or command a module; no logic."""
