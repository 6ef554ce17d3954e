"""Spreads of a training whose libraries take long to load, apart from the classes that ask."""
