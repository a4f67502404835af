"""The database: clients and their keys, administrators, the request log."""
