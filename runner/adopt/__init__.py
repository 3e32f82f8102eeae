"""Take a person's project in as it is: its files, its data, its command and the number it prints.

What comes of it is a task of the shape `reported`: it runs tonight, and its score is the word of
the code under test.
"""
