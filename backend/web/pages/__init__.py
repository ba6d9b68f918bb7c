"""The pages for people: a module a page, each a blueprint. A view gathers, decides, renders.

No page reads a whole table: counts of large tables come from ``backend.store.rollups``.
"""
