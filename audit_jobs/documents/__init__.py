"""Reports as tables: on the terminal, as Markdown, or as one HTML file without any script."""
