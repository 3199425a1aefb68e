"""The tables, the connection to them, and the database's clock."""
