"""The evidence pack: what a loop promised and kept in a period, for somebody who never saw it."""
