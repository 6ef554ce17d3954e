"""The modules of the zoo: a file for each kind, a function for each module."""
