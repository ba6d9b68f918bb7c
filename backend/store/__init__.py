"""SQLAlchemy tables and queries by noun: each takes a session and never commits."""
