-- Links in mails name nobody: their credential is found by the digest of the token, its first 32 bytes (ACC-34).
CREATE INDEX credentials_digest_idx ON credentials (name, substring(value FROM 1 FOR 32));
