-- The log. The first five columns are those of the `eventsourcing` library's application recorder.
CREATE TABLE stored_events (
    originator_id uuid NOT NULL,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL,
    notification_id bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    metadata json,
    PRIMARY KEY (originator_id, originator_version)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.2, autovacuum_analyze_scale_factor = 0.05);

CREATE UNIQUE INDEX stored_events_notification_id_idx ON stored_events (notification_id);

-- One row: the position of the newest event. Taking it serialises writers and numbers events without gaps.
CREATE TABLE log_head (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    position bigint NOT NULL
) WITH (fillfactor = 10);

INSERT INTO log_head (position) VALUES (0);

-- Folded states of long streams: a cache.
CREATE TABLE stream_snapshots (
    originator_id uuid PRIMARY KEY,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL
);

-- What was answered to commands with an idempotency key.
CREATE TABLE command_answers (
    scope uuid NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    result text NOT NULL,
    stream_version bigint,
    position bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (scope, key)
);

CREATE INDEX command_answers_recorded_at_idx ON command_answers (recorded_at);

-- One key for each person, wrapped by ENCRYPTION_KEY; a destroyed key leaves its row behind.
CREATE TABLE data_keys (
    subject_id uuid PRIMARY KEY,
    wrapped text,
    created_at timestamptz NOT NULL DEFAULT now(),
    destroyed_at timestamptz,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);

-- Secrets of accounts (password hashes and the like): never in an event.
CREATE TABLE credentials (
    owner_id uuid NOT NULL,
    name text NOT NULL,
    value bytea NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner_id, name)
);

-- Counters of number series (order numbers by day).
CREATE TABLE number_series (
    series text PRIMARY KEY,
    next bigint NOT NULL
);

-- Which groups of a batch can no longer stand: a stream moved on, an idempotency key is known, a data key exists.
CREATE FUNCTION lost_groups(
    check_group int[], check_stream uuid[], check_version bigint[],
    key_group int[], key_scope uuid[], key_name text[],
    data_key_group int[], data_key_subject uuid[]
) RETURNS int[] LANGUAGE sql STABLE AS $$
    SELECT array_agg(DISTINCT lost.member) FROM (
        SELECT c.member
        FROM unnest(check_group, check_stream, check_version) AS c (member, stream, version)
        WHERE c.version <> coalesce(
            (SELECT max(e.originator_version) FROM stored_events AS e WHERE e.originator_id = c.stream), 0
        )
        UNION ALL
        SELECT k.member
        FROM unnest(key_group, key_scope, key_name) AS k (member, scope, name)
        JOIN command_answers AS a
            ON a.scope = k.scope AND a.key = k.name AND a.recorded_at > now() - interval '24 hours'
        UNION ALL
        SELECT d.member
        FROM unnest(data_key_group, data_key_subject) AS d (member, subject)
        JOIN data_keys AS known ON known.subject_id = d.subject
    ) AS lost
$$;

-- Append a batch of groups in one go. Groups whose checks fail are left out whole and named in `lost`.
-- Surviving events are numbered from base + 1 in the order of the arrays.
CREATE FUNCTION append(
    check_group int[], check_stream uuid[], check_version bigint[],
    key_group int[], key_scope uuid[], key_name text[],
    data_key_group int[], data_key_subject uuid[], data_key_wrapped text[],
    event_group int[], event_stream uuid[], event_version bigint[],
    event_topic text[], event_state bytea[], event_metadata text[],
    answer_group int[], answer_scope uuid[], answer_key text[], answer_hash bytea[],
    answer_result text[], answer_version bigint[], answer_end int[],
    credential_group int[], credential_owner uuid[], credential_name text[], credential_value bytea[],
    OUT base bigint, OUT lost int[]
) LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz;
    added bigint;
BEGIN
    SELECT head.position INTO STRICT base FROM log_head AS head FOR UPDATE;
    -- After the lock, so that times never run backwards along the log.
    moment := clock_timestamp();
    lost := coalesce(lost_groups(
        check_group, check_stream, check_version,
        key_group, key_scope, key_name,
        data_key_group, data_key_subject
    ), '{}');

    IF lost = '{}' THEN
        INSERT INTO stored_events (
            originator_id, originator_version, topic, state, notification_id, recorded_at, metadata
        )
        SELECT e.stream, e.version, e.topic, e.state, base + e.n, moment, nullif(e.metadata, '')::json
        FROM unnest(event_stream, event_version, event_topic, event_state, event_metadata)
            WITH ORDINALITY AS e (stream, version, topic, state, metadata, n);
    ELSE
        INSERT INTO stored_events (
            originator_id, originator_version, topic, state, notification_id, recorded_at, metadata
        )
        SELECT
            e.stream, e.version, e.topic, e.state,
            base + row_number() OVER (ORDER BY e.n), moment, nullif(e.metadata, '')::json
        FROM unnest(event_group, event_stream, event_version, event_topic, event_state, event_metadata)
            WITH ORDINALITY AS e (member, stream, version, topic, state, metadata, n)
        WHERE e.member <> ALL (lost);
    END IF;
    GET DIAGNOSTICS added = ROW_COUNT;
    IF added > 0 THEN
        UPDATE log_head SET position = base + added;
    END IF;

    IF cardinality(data_key_group) > 0 THEN
        INSERT INTO data_keys (subject_id, wrapped)
        SELECT d.subject, d.wrapped
        FROM unnest(data_key_group, data_key_subject, data_key_wrapped) AS d (member, subject, wrapped)
        WHERE d.member <> ALL (lost);
    END IF;

    IF cardinality(answer_group) > 0 THEN
        INSERT INTO command_answers (scope, key, request_hash, result, stream_version, position, recorded_at)
        SELECT
            a.scope, a.key, a.hash, a.result, a.version,
            base + CASE WHEN lost = '{}' THEN a.ending ELSE (
                SELECT count(*) FROM unnest(event_group) WITH ORDINALITY AS g (member, n)
                WHERE g.n <= a.ending AND g.member <> ALL (lost)
            ) END,
            moment
        FROM unnest(answer_group, answer_scope, answer_key, answer_hash, answer_result, answer_version, answer_end)
            AS a (member, scope, key, hash, result, version, ending)
        WHERE a.member <> ALL (lost)
        ON CONFLICT (scope, key) DO UPDATE SET
            request_hash = excluded.request_hash, result = excluded.result,
            stream_version = excluded.stream_version, position = excluded.position,
            recorded_at = excluded.recorded_at;
    END IF;

    IF cardinality(credential_group) > 0 THEN
        DELETE FROM credentials AS held
        USING unnest(credential_group, credential_owner, credential_name, credential_value)
            AS c (member, owner, name, value)
        WHERE c.value IS NULL AND c.member <> ALL (lost) AND held.owner_id = c.owner AND held.name = c.name;
        INSERT INTO credentials (owner_id, name, value)
        SELECT c.owner, c.name, c.value
        FROM unnest(credential_group, credential_owner, credential_name, credential_value)
            AS c (member, owner, name, value)
        WHERE c.value IS NOT NULL AND c.member <> ALL (lost)
        ON CONFLICT (owner_id, name) DO UPDATE SET value = excluded.value, updated_at = now();
    END IF;
END
$$;
