"""A thin skin over the use cases: parse, call one function, render. No rule lives here."""
