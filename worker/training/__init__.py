"""Training in pure PyTorch: a spec goes in, reports come out.

Nothing in this package knows a database, a broker or the web, and importing it loads no torch: the
zygote must be able to do so before. What others may use of it is in the package `trainyard`.
"""
