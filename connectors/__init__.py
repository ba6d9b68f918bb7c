"""Talks to the outside and knows no rule: Label Studio first of all.

What the rest of the system asks of an annotation tool is the Protocol in
``connectors.annotation_tool``; only ``connectors.label_studio`` imports the SDK.
"""
