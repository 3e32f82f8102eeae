"""A run as one page that can be sent and kept: HTML or Markdown, and pictures of it.

It shows what `runner.views.overview` says of the run, so that no view of it says another number.
"""
