"""Fixtures of searches in a process of their own."""

from helpers.search_process import start as start
