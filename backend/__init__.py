"""The running system: settings, storage, predictors, web, and the use cases that tie them.

Every use case reads as gather, decide, apply. Effects in Label Studio come after the commit that
recorded them. Nothing happens at import time: ``backend.bootstrap`` alone chooses real things.
"""
