"""The service's own API under `/api/v1`: everything it knows and does, for programs and people."""
