"""The pages of a search: report.html, front.html and their tables."""
