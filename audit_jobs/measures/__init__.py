"""Pure measures: columns in, ``Estimate(value, low, high, n)`` out; undefined is None, never 0."""
