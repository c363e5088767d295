"""A service elsewhere, asked over HTTP (`/api/v1`) as if it were here."""
