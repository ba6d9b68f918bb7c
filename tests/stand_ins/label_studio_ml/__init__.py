"""Stands in for label-studio-ml 2.x, which no package index has: the interface that it documents.

Written for these tests from its documentation; only hosted classes have this folder on their path.
"""
