"""Sentence embeddings: texts as vectors, by a model that lies in a folder, for the workers.

Here live the folders that are read (``folders``), the runtime (``bert``), the encoder that a policy
asks for (``encoders``) and the vectors kept in the store (``vectors``). Never any network access,
and no encoder in the web process, which only looks up what the workers have stored.
"""
