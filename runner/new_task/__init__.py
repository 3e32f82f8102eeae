"""Write the three parts of a task of one's own: from a CSV file, a script, or blank."""
