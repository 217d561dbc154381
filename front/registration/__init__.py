"""The machine interface: cases and revocation for officers (api), the register's change feed (feeds)."""
