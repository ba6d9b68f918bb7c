"""Charts as inline SVG, for pages and for reports alike. Pure: data in, markup out.

A chart is an SVG of classes alone (``backend/web/static/charts.css`` gives them colours, light and
dark), a sentence of what it shows, a legend and a table of its numbers. Nothing here reads a store,
a clock or a request; whatever text comes in is escaped by the one template that writes markup.
docs/adr/0026-charts.md says why no charting library does.
"""
