"""Speed and memory, each beside the stock way of doing the same, in the same run on the same machine."""
