"""The demo: the whole loop on a Label Studio of its own, with simulated people and real data.

Nothing is mocked: tasks, views, answers and labels go over Label Studio's API, the model is
trained, the policy decides. Only the people are simulated, and the days pass at once.
"""
