"""The JSON API under `/api/v1`: a file a resource, `shapes` for the answers."""
