"""Takes memory until something stops it."""

held = []
while True:
    held.append(bytearray(b"x" * 16 * 1024**2))
