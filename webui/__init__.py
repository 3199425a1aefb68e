"""The dashboard and the API: Flask, and nothing that needs torch."""
