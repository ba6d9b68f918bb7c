"""The whole of Labelgate in one file, and back: the database and the models, on any engine.

What must never be here: secrets of the data folder or of the environment.
"""
