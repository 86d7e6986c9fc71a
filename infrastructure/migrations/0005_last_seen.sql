-- When an account was last at the door, and a key last shown (ACC-19, KEY-05). No event, so no read model of the log either:
-- losing it loses nothing but that.
CREATE TABLE last_seen (
    kind text NOT NULL CHECK (kind IN ('account', 'api_key')),
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (kind, id)
);
