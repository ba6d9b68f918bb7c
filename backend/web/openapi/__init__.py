"""What programs can ask, as one OpenAPI 3.1 document: written beside the views, as data.

Here stands how each route is described. What a route does stands in its view, never here.
"""
