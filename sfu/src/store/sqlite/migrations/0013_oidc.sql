-- Who people with an account are at the identity provider.
CREATE TABLE oidc_links (
    account   TEXT PRIMARY KEY NOT NULL REFERENCES users (id),
    issuer    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    linked_at INTEGER NOT NULL,
    UNIQUE (issuer, subject)
) STRICT;
