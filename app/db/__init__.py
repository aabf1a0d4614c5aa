"""PostgreSQL: engine, transactions, tables."""
