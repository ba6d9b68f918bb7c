"""The whole loop on labelled data, without Label Studio: what a policy would save, and get wrong.

Models, decisions, queues, thresholds and retrains are the real ones; people and days are simulated.
"""
