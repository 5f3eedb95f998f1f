"""The corpus' own tools: its checks and numbers, annotators' agreement, the ways in and out for other newsrooms."""
