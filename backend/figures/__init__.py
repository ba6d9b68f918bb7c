"""What a project's figures show: from what jobs stored to charts, without a web framework.

``gathered`` reads the store once; every other module makes the charts of one subject of it, for
the project's page and for reports. Nothing here counts a large table.
"""
