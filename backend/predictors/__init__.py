"""Models that give answers with the chance that they are right, and the files they are kept in.

A folder for each kind of what is answered or shown (texts, images, tables, spans, sets, paths,
numbers), for models that are not Labelgate's own (foreign), for rules that answer before the model,
and for what a version remembers of its examples (memory). None of them knows a policy.
"""
