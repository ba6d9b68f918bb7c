"""What `labelgate doctor` looks at: a module a topic.

In each, what is looked at is gathered by one function and judged by another, which is pure: the
words that people read are its result. Nothing here changes anything, but for the throw-away project
of ``rehearsals``, and the words that ``deliveries`` sends to this server itself.
"""
