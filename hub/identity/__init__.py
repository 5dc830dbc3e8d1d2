"""Tokens that others sign (JSON Web Tokens, RFC 7519), and the keys they are signed with."""
