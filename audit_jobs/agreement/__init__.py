"""How far people agree: on votes, exports and projects; as figures, tables, pages and alerts."""
