"""Files: written whole or not at all, locked, and read within bounds on time and memory."""
