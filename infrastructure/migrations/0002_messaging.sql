-- How far each publisher has copied the log: updated in place with every window of messages.
CREATE TABLE publisher_positions (
    publisher text PRIMARY KEY,
    position bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 10);
