"""What-if on a project's history: a fair sample of it, replayed with other numbers in the policy.

``drawing`` and ``gathering`` read the sample, ``kept`` keeps it between two moves of a slider,
``sliders`` are the numbers that may be moved, ``values`` those of a request, ``replay`` plans.
Nothing here changes anything.
"""
