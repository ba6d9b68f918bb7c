"""Answers that need no model: formats, languages, boilerplate, twins."""
