"""An LDAP directory, as those who publish in one and those who look in one both meet it (RFC 4511, RFC 4523).

Read in this order: attributes (what certificates and lists are called there), names (how entries are), wire (octets
that are counted), connection (one server's answers).
"""
