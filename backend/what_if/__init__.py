"""What-if on a project's history: a fair sample of it, replayed with other numbers in the policy.

``drawing`` and ``gathering`` read the sample, ``kept`` keeps it between two moves of a slider,
``values`` are the numbers that may be moved, ``replay`` plans. Nothing here changes anything.
"""
