"""The words of the domain and every rule that decides.

Pure: no clock, no random source, no network, no database, no logging. Time, draws and thresholds
come in as arguments. The one door to disk is ``policies.loading``, which reads a policy file.
"""
