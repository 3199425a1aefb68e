"""Training in pure PyTorch: a spec goes in, reports come out.

Nothing in this package knows a database, a broker or the web.
"""
