"""The frozen side: what prepares data, scores outputs, and what agent code may import.

Nothing here is imported by `runner`, nor imports it: they meet at files and one JSON document.
"""
