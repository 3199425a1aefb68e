"""The processes that train: forked warm, given one order, dying with their worker."""
