"""The zoo: modules as people have them, each through recipes, each cell judged by its file."""
