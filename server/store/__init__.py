"""The SQL behind each conversation.

Functions take an open connection; who calls them decides what belongs into one transaction.
"""
